package plan

import "slices"

// Feature is something that a plan may use and a program may lack. A program
// that does not have it must refuse the plan, because it would do less than the
// unit files say.
type Feature struct {
	Name string
	Doc  string
	used func(*Plan) bool
}

// Features lists every feature, sorted by name. What a row finds in a plan is
// what makes [Plan.Needs] list it.
var Features = []Feature{
	{"accept", "one process of the owner for each connection", socketUses(func(s *Socket) bool { return s.Accept })},
	{"activate-on-none", "states that are set while others are not", stateUses(func(s *State) bool { return len(s.ActivateOnNone) > 0 })},
	{"auto-payload", "payloads that a command or variable makes", stateUses(func(s *State) bool { return s.AutoPayload != nil })},
	{"branching", "an instance of a service for each branch of a state", serviceUses(func(s *Service) bool { return s.Branching != nil })},
	{"capabilities", "services with some capabilities only", serviceUses(func(s *Service) bool { return s.Capabilities != nil })},
	{"env-file", "environment variables from a file", serviceUses(func(s *Service) bool { return s.EnvFile != "" })},
	{"flush-pending", "sockets that throw away what waits when the owner exits", socketUses(func(s *Socket) bool { return s.FlushPending })},
	{"locked-transports", "transports that do not come with the release, with checksums of their executables", func(p *Plan) bool {
		return slices.ContainsFunc(p.Transports, func(t Transport) bool { return len(t.Checksums) > 0 || t.Shape != nil || t.Plugin != "" })
	}},
	{"multiple-instances", "several instances of a service", serviceUses(func(s *Service) bool { return s.Multiple })},
	{"no-new-privileges", "services that gain no privileges", serviceUses(func(s *Service) bool { return s.NoNewPrivileges })},
	{"notify", "services that say when they are ready", serviceUses(func(s *Service) bool { return s.Notify })},
	{"output", "output of services that does not go to the log", serviceUses(func(s *Service) bool { return s.Stdout != Output{} || s.Stderr != Output{} })},
	{"payload-references", "payloads that are known only when a trigger runs", actionUses(func(a *Action) bool { return a.Template != nil })},
	{"preferred-options", "options that the kernel may refuse", socketUses(func(s *Socket) bool { return len(s.Prefer) > 0 })},
	{"resource-limits", "resource limits of services", serviceUses(func(s *Service) bool { return len(s.Limits) > 0 })},
	{"restart-backoff", "delays before restarts", serviceUses(func(s *Service) bool {
		return s.Restart.Backoff != 0 || s.Restart.MaxBackoff != 0 || s.Restart.ResetAfter != 0
	})},
	{"run-variable", "processes that a variable describes", serviceUses(func(s *Service) bool {
		return slices.ContainsFunc(s.Run, func(c Command) bool { return c.Variable != "" })
	})},
	{"service-after", "services that wait for others", serviceUses(func(s *Service) bool { return len(s.After) > 0 })},
	{"service-managed-by", "permissions to start and stop a service", serviceUses(func(s *Service) bool { return len(s.ManagedBy) > 0 })},
	{"signal-after", "signals that follow from others", signalUses(func(s *Signal) bool { return s.After != nil || len(s.Branch) > 0 })},
	{"signal-permissions", "permissions to emit a signal", signalUses(func(s *Signal) bool { return len(s.Permissions) > 0 })},
	{"socket-limits", "limits of accesses and connections", socketUses(func(s *Socket) bool { return s.Limits != nil })},
	{"state-after", "states that follow from conditions", stateUses(func(s *State) bool { return s.After != nil })},
	{"state-permissions", "permissions to set a state", stateUses(func(s *State) bool { return len(s.Permissions) > 0 })},
	{"stop", "another signal or time to stop a service with", serviceUses(func(s *Service) bool { return s.Stop != Stop{} })},
	{"timers", "timers", func(p *Plan) bool { return len(p.Timers) > 0 }},
	{"umask", "file mode creation masks of services", serviceUses(func(s *Service) bool { return s.Umask != "" })},
	{"user-space", "services that belong to a user", serviceUses(func(s *Service) bool { return s.Space != nil })},
	{"variables", "variables", func(p *Plan) bool { return len(p.Variables) > 0 }},
	{"watchdog", "services that must give a sign of life", serviceUses(func(s *Service) bool { return s.Watchdog != nil })},
}

// implemented lists the features that the runtime of this release has.
var implemented = []string{
	"accept",
	"activate-on-none",
	"auto-payload",
	"branching",
	"capabilities",
	"env-file",
	"flush-pending",
	"locked-transports",
	"multiple-instances",
	"no-new-privileges",
	"notify",
	"output",
	"payload-references",
	"preferred-options",
	"resource-limits",
	"restart-backoff",
	"run-variable",
	"service-after",
	"service-managed-by",
	"signal-after",
	"signal-permissions",
	"socket-limits",
	"state-after",
	"state-permissions",
	"stop",
	"timers",
	"umask",
	"user-space",
	"variables",
	"watchdog",
}

// Implemented returns the names of the features that rindrun of this release has,
// sorted.
func Implemented() []string { return slices.Clone(implemented) }

// Needs returns the names of the features that p uses, sorted. They are what
// Requires has to list.
func (p *Plan) Needs() []string {
	var names []string
	for _, f := range Features {
		if f.used(p) {
			names = append(names, f.Name)
		}
	}
	return names
}

func uses[T any](list func(*Plan) []T, used func(*T) bool) func(*Plan) bool {
	return func(p *Plan) bool {
		for i, items := 0, list(p); i < len(items); i++ {
			if used(&items[i]) {
				return true
			}
		}
		return false
	}
}

func socketUses(used func(*Socket) bool) func(*Plan) bool {
	return uses(func(p *Plan) []Socket { return p.Sockets }, used)
}

func serviceUses(used func(*Service) bool) func(*Plan) bool {
	return uses(func(p *Plan) []Service { return p.Services }, used)
}

func stateUses(used func(*State) bool) func(*Plan) bool {
	return uses(func(p *Plan) []State { return p.States }, used)
}

func signalUses(used func(*Signal) bool) func(*Plan) bool {
	return uses(func(p *Plan) []Signal { return p.Signals }, used)
}

func actionUses(used func(*Action) bool) func(*Plan) bool {
	return func(p *Plan) bool {
		for list := range p.actionLists() {
			for i := range list {
				if used(&list[i]) {
					return true
				}
			}
		}
		return false
	}
}

// actionLists yields every list of actions in p.
func (p *Plan) actionLists() func(yield func([]Action) bool) {
	return func(yield func([]Action) bool) {
		for i := range p.Sockets {
			s := &p.Sockets[i]
			if !yield(s.Trigger) || !yield(s.OnStart) || !yield(s.OnStop) {
				return
			}
		}
		for i := range p.Services {
			s := &p.Services[i]
			if !yield(s.OnStart) || !yield(s.OnStop) {
				return
			}
		}
		for i := range p.Timers {
			if !yield(p.Timers[i].Finish) {
				return
			}
		}
	}
}
