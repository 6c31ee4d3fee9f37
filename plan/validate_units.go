package plan

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/rind-sockets/rind/plan/cond"
)

func (v *validator) state(s *State) {
	v.enter("state", s.Name)
	if !validKind(s.Payload) {
		v.problem("it has no payload kind")
	}
	if len(s.Branch) > 0 && !s.Branching() {
		v.problem("a state of kind %v has no branch keys", s.Payload)
	}
	v.branchKeys(s.Branch)
	v.expr("after", s.After)
	v.lasting(s.After)
	for _, a := range s.ActivateOnNone {
		if _, ok := v.index.State(a.State); !ok {
			v.problem("activate_on_none has %q, which is no state of the plan", a.State)
		}
	}
	v.permissionIDs("permissions", s.Permissions)
	if a := s.AutoPayload; a != nil {
		if err := v.autoPayload(a); err != nil {
			v.problem("auto_payload: %w", err)
		}
	}
}

// lasting reports signals in a condition that has to hold for a while.
func (v *validator) lasting(e *cond.Expr) {
	if e == nil {
		return
	}
	e.Atoms(func(a cond.Atom) {
		if a.Kind == cond.Signal {
			v.problem("after: signal %s does not last, so a state cannot follow from it", a.Name)
		}
	})
}

func (v *validator) autoPayload(a *AutoPayload) error {
	switch {
	case (a.Eval == "") == (a.Variable == ""):
		return errors.New("it has exactly one of eval and variable")
	case a.Eval == "" && (len(a.Args) > 0 || a.Timeout != 0):
		return errors.New("args and timeout are for eval")
	case a.Eval != "" && a.Timeout <= 0:
		return errors.New("eval needs a timeout")
	}
	if _, ok := v.index.Variable(a.Variable); a.Variable != "" && !ok {
		return fmt.Errorf("%q is no variable of the plan", a.Variable)
	}
	return nil
}

func (v *validator) branchKeys(list []BranchKey) {
	keys := map[string]bool{}
	for _, k := range list {
		if k.Target == "" || keys[k.Target] {
			v.problem("branch key %q is empty or listed twice", k.Target)
		}
		keys[k.Target] = true
	}
}

func (v *validator) signal(s *Signal) {
	v.enter("signal", s.Name)
	if !validKind(s.Payload) {
		v.problem("it has no payload kind")
	}
	v.branchKeys(s.Branch)
	v.expr("after", s.After)
	v.permissionIDs("permissions", s.Permissions)
}

func (v *validator) timer(t *Timer) {
	v.enter("timer", t.Name)
	if t.Duration <= 0 {
		v.problem("its duration %v is not above zero", t.Duration)
	}
	v.services("after", t.After)
	v.actions("finish", t.Finish)
}

func (v *validator) variable(x *Variable) {
	v.unit = "variable " + x.Name
	v.once()
	if err := checkSegment(x.Name); err != nil {
		v.problem("name %q: %w", x.Name, err)
	}
	if x.Default == nil && x.Env == "" {
		v.problem("it has neither default nor env")
	}
	if strings.ContainsAny(x.Env, "=\x00") {
		v.problem("env %q is no name of an environment variable", x.Env)
	}
}

func (v *validator) services(field string, names []Name) {
	for _, n := range names {
		if _, ok := v.index.Service(n); !ok {
			v.problem("%s has %q, which is no service of the plan", field, n)
		}
	}
}

func (v *validator) service(s *Service) {
	v.enter("service", s.Name)
	v.run(s.Run)
	r := s.Restart
	if r.MaxRetries < 0 {
		v.problem("restart.max_retries is negative")
	}
	if r.Backoff < 0 || r.MaxBackoff < 0 || r.ResetAfter < 0 {
		v.problem("a duration of restart is negative")
	}
	v.expr("start_on", s.StartOn)
	v.expr("stop_on", s.StopOn)
	v.actions("on_start", s.OnStart)
	v.actions("on_stop", s.OnStop)
	v.services("after", s.After)
	v.permissionIDs("managed_by", s.ManagedBy)
	v.instances(s)
	v.environment(s)
}

func (v *validator) run(list []Command) {
	if len(list) == 0 {
		v.problem("it runs nothing")
	}
	for i, c := range list {
		if c.Variable == "" {
			if c.Exec == "" {
				v.problem("run[%d] has no exec", i)
			}
			continue
		}
		if _, ok := v.index.Variable(c.Variable); !ok {
			v.problem("run[%d] has %q, which is no variable of the plan", i, c.Variable)
		}
		if c.Exec != "" || c.Args != nil || c.Env != nil {
			v.problem("run[%d] has a variable and what that has", i)
		}
	}
}

// instances checks how many of a service there are, for whom, and for how long.
func (v *validator) instances(s *Service) {
	if b := s.Branching; b != nil {
		if _, ok := v.index.State(b.State); !ok {
			v.problem("branching has %q, which is no state of the plan", b.State)
		}
		if b.Key == "" || b.MaxInstances < 0 {
			v.problem("branching has no key, or a negative number of instances")
		}
	}
	if x := s.Space; x != nil && x.State != "" {
		if _, ok := v.index.State(x.State); !ok {
			v.problem("space has %q, which is no state of the plan", x.State)
		}
	}
	if t := s.Stop.Timeout; t != nil && *t < 0 {
		v.problem("stop.timeout is negative")
	}
	if s.Stop.Signal != "" && !strings.HasPrefix(s.Stop.Signal, "SIG") {
		v.problem("stop.signal %q is no signal", s.Stop.Signal)
	}
	if w := s.Watchdog; w != nil {
		if w.Interval <= 0 || w.Grace < 0 {
			v.problem("a duration of watchdog is not above zero")
		}
		if !slices.Contains([]string{"restart", "stop", "signal"}, w.Action) {
			v.problem("watchdog.action is %q, want restart, stop or signal", w.Action)
		}
	}
}

// environment checks what a process finds when it starts.
func (v *validator) environment(s *Service) {
	if s.Umask != "" {
		if n, err := strconv.ParseUint(s.Umask, 8, 16); err != nil || n > 0o777 {
			v.problem("umask %q is no octal number up to 0777", s.Umask)
		}
	}
	if s.EnvFile != "" && !path.IsAbs(s.EnvFile) {
		v.problem("env_file %q is no absolute path", s.EnvFile)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Limits)) {
		l := s.Limits[name]
		soft, hard := uint64(l.Soft), uint64(l.Hard) // Infinity is the largest
		if l.Soft < Infinity || l.Hard < Infinity || soft > hard {
			v.problem("limit %s is negative, or its soft value is above the hard one", name)
		}
	}
	v.output("stdout", s.Stdout)
	v.output("stderr", s.Stderr)
}

func (v *validator) output(field string, o Output) {
	known := slices.Contains([]string{"", "inherit", "null", "file"}, o.To)
	if !known || (o.To == "file") != path.IsAbs(o.File) || o.To != "file" && o.File != "" {
		v.problem("%s goes to %q %q: want inherit, null, or file with an absolute path", field, o.To, o.File)
	}
}
