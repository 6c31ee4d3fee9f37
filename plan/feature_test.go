package plan_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// use has a use of every feature.
var use = map[string]func(p *plan.Plan){
	"accept": func(p *plan.Plan) {
		p.Services = append(p.Services, plan.Service{Name: "web@zeach", Run: []plan.Command{{Exec: "/bin/each"}}})
		p.Sockets = append(p.Sockets, plan.Socket{
			Name: "web@zeach", Type: "tcp", Listen: "*:81", Owner: "web@zeach", Lifecycle: plan.Managed, FDName: "connection", Accept: true, Stdio: true,
		})
	},
	"activate-on-none": func(p *plan.Plan) { p.States[1].ActivateOnNone = []plan.Absence{{State: "rind@net-configured"}} },
	"auto-payload":     func(p *plan.Plan) { p.States[1].AutoPayload = &plan.AutoPayload{Eval: "/bin/x", Timeout: 1} },
	"branching": func(p *plan.Plan) {
		srv(p).Branching = &plan.Branching{State: "rind@net-configured", Key: "name"}
		p.Sockets[0].Lifecycle = plan.Managed // which instance would an access start?
	},
	"capabilities":  func(p *plan.Plan) { srv(p).Capabilities = []string{} },
	"env-file":      func(p *plan.Plan) { srv(p).EnvFile = "/etc/x" },
	"flush-pending": func(p *plan.Plan) { p.Sockets[0].FlushPending = true },
	"locked-transports": func(p *plan.Plan) {
		p.Transports[0].Shape = &plan.Shape{}
		p.Transports[0].Checksums = map[string]string{plan.AnyPlatform: "sha256:" + strings.Repeat("0", 64)}
	},
	"multiple-instances": func(p *plan.Plan) { srv(p).Multiple = true },
	"no-new-privileges":  func(p *plan.Plan) { srv(p).NoNewPrivileges = true },
	"notify":             func(p *plan.Plan) { srv(p).Notify = true },
	"output":             func(p *plan.Plan) { srv(p).Stderr = plan.Output{To: "file", File: "/x"} },
	"payload-references": func(p *plan.Plan) {
		p.Sockets[0].OnStop = []plan.Action{{Do: plan.OpEmit, Target: "web@up", Template: &plan.Template{
			Kind: cond.String, Each: "rind@net-configured", Node: plan.Node{State: "rind@net-configured", Path: []string{"name"}},
		}}}
	},
	"preferred-options":  func(p *plan.Plan) { p.Sockets[0].Prefer = []string{"backlog"} },
	"resource-limits":    func(p *plan.Plan) { srv(p).Limits = map[string]plan.Limit{"core": {Soft: 1, Hard: plan.Infinity}} },
	"restart-backoff":    func(p *plan.Plan) { srv(p).Restart.ResetAfter = plan.Duration(time.Second) },
	"run-variable":       func(p *plan.Plan) { variable(p); srv(p).Run = []plan.Command{{Variable: "v"}} },
	"service-after":      func(p *plan.Plan) { srv(p).After = []plan.Name{"web@srv"} },
	"service-managed-by": func(p *plan.Plan) { srv(p).ManagedBy = []uint16{7} },
	"signal-after":       func(p *plan.Plan) { p.Signals[0].After = stateAtom("web@mode", nil) },
	"signal-permissions": func(p *plan.Plan) { p.Signals[0].Permissions = []uint16{7} },
	"socket-limits":      func(p *plan.Plan) { p.Sockets[0].Limits = &plan.SocketLimits{Burst: 1, Interval: 1, OnLimit: "fail"} },
	"state-after":        func(p *plan.Plan) { p.States[1].After = stateAtom("rind@net-configured", nil) },
	"state-permissions":  func(p *plan.Plan) { p.States[1].Permissions = []uint16{7} },
	"stop":               func(p *plan.Plan) { srv(p).Stop.Timeout = new(plan.Duration) },
	"timers": func(p *plan.Plan) {
		p.Timers = []plan.Timer{{
			Name: "web@t", Duration: plan.Duration(90 * time.Second), After: []plan.Name{"web@srv"},
			Finish: []plan.Action{{Do: plan.OpStartTimer, Target: "web@t"}, {Do: plan.OpStopTimer, Target: "web@t"}},
		}}
	},
	"umask":      func(p *plan.Plan) { srv(p).Umask = "0077" },
	"user-space": func(p *plan.Plan) { srv(p).Space = &plan.Space{} },
	"variables":  variable,
	"watchdog":   func(p *plan.Plan) { srv(p).Watchdog = &plan.Watchdog{Interval: 1, Action: "stop"} },
}

func srv(p *plan.Plan) *plan.Service { return &p.Services[0] }

func variable(p *plan.Plan) { p.Variables = []plan.Variable{{Name: "v", Default: str("x"), Env: "V"}} }

// everything is the sample with a use of every feature.
func everything(tb testing.TB) *plan.Plan {
	tb.Helper()
	p := sample(tb)
	for _, f := range plan.Features {
		use[f.Name](p)
	}
	p.Requires = p.Needs()
	return p
}

func TestFeatures(t *testing.T) {
	if needs := sample(t).Needs(); needs != nil {
		t.Errorf("the sample needs %q", needs)
	}
	for i, f := range plan.Features {
		t.Run(f.Name, func(t *testing.T) {
			if f.Doc == "" || i > 0 && plan.Features[i-1].Name >= f.Name {
				t.Errorf("feature %q has doc %q and comes behind %q", f.Name, f.Doc, plan.Features[max(i-1, 0)].Name)
			}
			apply, ok := use[f.Name]
			if !ok {
				t.Fatal("this test has no use of it")
			}
			p := sample(t)
			apply(p)
			if !slices.Contains(p.Needs(), f.Name) {
				t.Fatalf("Needs() = %q", p.Needs())
			}
			if err := p.Validate(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("plan: it uses the feature %s, but does not list it in requires", f.Name)) {
				t.Errorf("Validate of a plan that hides the feature = %v", err)
			}
			p.Requires = p.Needs()
			data := encoded(t, p)
			lacks := slices.DeleteFunc(slices.Clone(p.Requires), func(name string) bool {
				return slices.Contains(plan.Implemented(), name)
			})
			_, err := plan.Decode(data)
			switch missing := (*plan.FeatureError)(nil); {
			case len(lacks) == 0 && err != nil:
				t.Errorf("Decode = %v, but rindrun has it", err)
			case len(lacks) > 0 && (!errors.As(err, &missing) || !slices.Equal(missing.Missing, lacks)):
				t.Errorf("S167 Decode = %v, want a *FeatureError that names %q", err, lacks)
			}
			got, err := plan.Read(data)
			if err != nil {
				t.Fatalf("Read = %v", err)
			}
			if diff := cmp.Diff(p, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("Read (-want +got):\n%s", diff)
			}
		})
	}
}

func TestImplemented(t *testing.T) {
	list := plan.Implemented()
	if !slices.IsSorted(list) {
		t.Errorf("%q is not sorted", list)
	}
	for _, name := range list {
		if !slices.ContainsFunc(plan.Features, func(f plan.Feature) bool { return f.Name == name }) {
			t.Errorf("%q is no feature", name)
		}
	}
}

func TestEverythingRoundTrips(t *testing.T) {
	p := everything(t)
	got, err := plan.Read(encoded(t, p))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("Read (-want +got):\n%s", diff)
	}
	if len(got.Requires) != len(plan.Features) {
		t.Errorf("Requires = %q, want every feature", got.Requires)
	}
	if got.Services[0].Capabilities == nil {
		t.Error("no capabilities at all became no limit of capabilities")
	}
}

func TestReadUnknownFeature(t *testing.T) {
	p := sample(t)
	p.Requires = []string{"warp"}
	_, err := plan.Read(encoded(t, p))
	if want := `this plan needs "warp", which this rindc does not have`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Read = %v, want %q", err, want)
	}
}

// TestValidateLanguage has the problems of what the first version had not.
func TestValidateLanguage(t *testing.T) {
	template := func(tpl plan.Template) func(*plan.Plan) {
		return func(p *plan.Plan) {
			p.Sockets[1].Trigger = []plan.Action{{Do: plan.OpEmit, Target: "web@up", Template: &tpl}}
		}
	}
	node := func(n plan.Node) func(*plan.Plan) { return template(plan.Template{Kind: cond.String, Node: n}) }
	guard := func(g *cond.Guard) func(*plan.Plan) {
		return func(p *plan.Plan) { p.Sockets[1].StopOn = stateAtom("web@mode", g) }
	}
	tests := []struct {
		name   string
		change func(*plan.Plan)
		want   string // empty: still valid
	}{
		{"sound", func(*plan.Plan) {}, ""},
		{"stdio without accept", func(p *plan.Plan) { p.Sockets[0].Stdio = true }, "socket web@http: stdio is for sockets that accept"},
		{"accept without owner", func(p *plan.Plan) { p.Sockets[0].Accept, p.Sockets[0].Owner = true, "" }, "socket web@http: it accepts, but it has no owner"},
		{"accept beside a listener", func(p *plan.Plan) { p.Sockets[0].Accept = true }, "socket web@http: it accepts, but owner web@srv also inherits socket web@admin"},
		{"accept for each branch", func(p *plan.Plan) { p.Sockets[0].Accept = true }, "socket web@http: it accepts, but owner web@srv has an instance for each branch of a state"},
		{"connections without accept", func(p *plan.Plan) { p.Sockets[0].Limits.PerSource = 1 }, "max_connections and per_source are for sockets that accept"},
		{"an option that is not there", func(p *plan.Plan) { p.Sockets[0].Prefer = []string{"mark"} }, `it prefers the option "mark", which it does not have`},
		{"a negative limit", func(p *plan.Plan) { p.Sockets[0].Limits.PerSource = -1 }, "a limit is negative"},
		{"a burst without interval", func(p *plan.Plan) { p.Sockets[0].Limits.Interval = 0 }, "limits.burst and limits.interval go together"},
		{"on_limit", func(p *plan.Plan) { p.Sockets[0].Limits.OnLimit = "" }, `limits.on_limit is "", want pause, refuse or fail`},
		{"an absent state that does not exist", func(p *plan.Plan) { p.States[1].ActivateOnNone[0].State = "x@y" }, `activate_on_none has "x@y", which is no state of the plan`},
		{"after of a signal that does not exist", func(p *plan.Plan) {
			p.States[1].After = &cond.Expr{Atom: &cond.Atom{Kind: cond.Signal, Name: "x@y"}}
		}, `state web@mode: after: "x@y" is no signal of the plan`},
		{"a state that follows from a signal", func(p *plan.Plan) {
			p.States[1].After = &cond.Expr{Atom: &cond.Atom{Kind: cond.Signal, Name: "web@up"}}
		}, "state web@mode: after: signal web@up does not last, so a state cannot follow from it"},
		{"permissions of a state", func(p *plan.Plan) { p.States[1].Permissions = []uint16{8} }, "state web@mode: permissions has id 8"},
		{"permissions of a signal", func(p *plan.Plan) { p.Signals[0].Permissions = []uint16{8} }, "permissions has id 8"},
		{"fields of a signal", func(p *plan.Plan) { p.Signals[1].Branch = []plan.BranchKey{{}} }, `branch key "" is empty or listed twice`},
		{"two sources of a payload", func(p *plan.Plan) { p.States[1].AutoPayload.Variable = "v" }, "auto_payload: it has exactly one of eval and variable"},
		{"no source of a payload", func(p *plan.Plan) { p.States[1].AutoPayload.Eval = "" }, "it has exactly one of eval and variable"},
		{"eval without end", func(p *plan.Plan) { p.States[1].AutoPayload.Timeout = 0 }, "eval needs a timeout"},
		{"args of a variable", func(p *plan.Plan) { *p.States[1].AutoPayload = plan.AutoPayload{Variable: "v", Args: []string{"x"}} }, "args and timeout are for eval"},
		{"a variable that does not exist", func(p *plan.Plan) { *p.States[1].AutoPayload = plan.AutoPayload{Variable: "w"} }, `auto_payload: "w" is no variable of the plan`},
		{"a timer without duration", func(p *plan.Plan) { p.Timers[0].Duration = 0 }, "timer web@t: its duration 0s is not above zero"},
		{"a timer after nothing", func(p *plan.Plan) { p.Timers[0].After = []plan.Name{"x@y"} }, `timer web@t: after has "x@y", which is no service of the plan`},
		{"the end of a timer", func(p *plan.Plan) { p.Timers[0].Finish[0].Target = "x@y" }, "timer web@t: finish[0]: start-timer x@y, which is no timer of the plan"},
		{"a timer twice", func(p *plan.Plan) { p.Timers = append(p.Timers, p.Timers[0]) }, "timer web@t: defined twice"},
		{"a variable twice", func(p *plan.Plan) { p.Variables = append(p.Variables, p.Variables[0]) }, "variable v: defined twice"},
		{"the name of a variable", func(p *plan.Plan) { p.Variables = append(p.Variables, plan.Variable{Name: "a@b", Env: "X"}) }, `variable a@b: name "a@b": character '@' is not one of`},
		{"a variable without value", func(p *plan.Plan) { p.Variables = append(p.Variables, plan.Variable{Name: "w"}) }, "variable w: it has neither default nor env"},
		{"the environment of a variable", func(p *plan.Plan) { p.Variables[0].Env = "A=B" }, `env "A=B" is no name of an environment variable`},
		{"after of a service", func(p *plan.Plan) { srv(p).After = []plan.Name{"x@y"} }, `service web@srv: after has "x@y"`},
		{"managers of a service", func(p *plan.Plan) { srv(p).ManagedBy = []uint16{8} }, "managed_by has id 8"},
		{"a process of no variable", func(p *plan.Plan) { srv(p).Run[0].Variable = "w" }, `run[0] has "w", which is no variable of the plan`},
		{"a process described twice", func(p *plan.Plan) { srv(p).Run[0].Exec = "x" }, "run[0] has a variable and what that has"},
		{"branching over nothing", func(p *plan.Plan) { srv(p).Branching.State = "x@y" }, `branching has "x@y", which is no state of the plan`},
		{"branching without key", func(p *plan.Plan) { srv(p).Branching.Key = "" }, "branching has no key"},
		{"the user of a state", func(p *plan.Plan) { srv(p).Space.State = "x@y" }, `space has "x@y", which is no state of the plan`},
		{"a negative time to stop", func(p *plan.Plan) { *srv(p).Stop.Timeout = -1 }, "stop.timeout is negative"},
		{"no signal", func(p *plan.Plan) { srv(p).Stop.Signal = "TERM" }, `stop.signal "TERM" is no signal`},
		{"a watchdog without interval", func(p *plan.Plan) { srv(p).Watchdog.Interval = 0 }, "a duration of watchdog is not above zero"},
		{"a watchdog without action", func(p *plan.Plan) { srv(p).Watchdog.Action = "" }, `watchdog.action is "", want restart, stop or signal`},
		{"a negative delay", func(p *plan.Plan) { srv(p).Restart.Backoff = -1 }, "a duration of restart is negative"},
		{"umask", func(p *plan.Plan) { srv(p).Umask = "1000" }, `umask "1000" is no octal number up to 0777`},
		{"env file", func(p *plan.Plan) { srv(p).EnvFile = "x" }, `env_file "x" is no absolute path`},
		{"soft above hard", func(p *plan.Plan) { srv(p).Limits["core"] = plan.Limit{Soft: plan.Infinity, Hard: 5} }, "limit core is negative, or its soft value is above the hard one"},
		{"negative resource", func(p *plan.Plan) { srv(p).Limits["core"] = plan.Limit{Soft: -2, Hard: 5} }, "limit core is negative"},
		{"output to nowhere", func(p *plan.Plan) { srv(p).Stdout.To = "journal" }, `stdout goes to "journal" ""`},
		{"output to a relative file", func(p *plan.Plan) { srv(p).Stderr.File = "x" }, `stderr goes to "file" "x"`},

		{"a payload and a template", func(p *plan.Plan) { p.Sockets[0].OnStop[0].Payload = str("x") }, "emit has a payload and a template for it"},
		{"a template of another operation", func(p *plan.Plan) { p.Sockets[0].OnStop[0].Do = plan.OpStartService }, "start-service has a payload, which it cannot have"},
		{"a template of another kind", template(plan.Template{Kind: cond.JSON}), "the template makes a payload of kind json, want string"},
		{"a template of nothing", func(p *plan.Plan) {
			p.Signals[0].Payload = cond.None
			template(plan.Template{Kind: cond.None})(p)
		}, "a payload of kind none has no template"},
		{"for each branch of nothing", template(plan.Template{Kind: cond.String, Each: "x@y"}), `the template is for each branch of "x@y", which is no state of the plan`},
		{"a reference to nothing", node(plan.Node{State: "x@y"}), `the template refers to "x@y", which is no state of the plan`},
		{"a path into text", node(plan.Node{State: "web@mode", Path: []string{"a"}}), "the template has a path into state web@mode, whose payload is of kind string"},
		{"a path into nothing", node(plan.Node{Var: "v", Path: []string{"a"}}), "a path of a template is one into a state"},
		{"a reference to no variable", node(plan.Node{Var: "w"}), `the template refers to "w", which is no variable of the plan`},
		{"a reference to no fact", node(plan.Node{Access: "user"}), `the template refers to "user", which is nothing that is known of an access`},
		{"two things in one", node(plan.Node{Var: "v", Lit: "x"}), "a part of a template is one of lit, state, var, access, object, array"},
		{"inside a table", node(plan.Node{Object: map[string]plan.Node{"a": {Array: []plan.Node{{Var: "w"}}}}}), `the template refers to "w"`},

		{"a number against text", guard(pred(cond.Target, cond.OpEqual, true)), "operator == on a payload of kind string: want a string, got true"},
		{"text in a list", guard(pred(cond.Target, cond.OpIn, []any{"a", nil})), "operator in on a payload of kind string: want a string, got null"},
		{"a comparison of text", guard(pred(cond.Target, cond.OpLess, "5")), "operator < cannot test a payload of kind string"},
		{"no pattern", guard(pred(cond.Target, cond.OpMatches, "(")), "operator matches: the pattern is not RE2"},
		{"a literal of exists", guard(pred(cond.Target, cond.OpExists, "x")), `operator exists: want nothing, got "x"`},
		{"a sound pattern", guard(pred(cond.Target, cond.OpMatches, "^a")), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := everything(t)
			tt.change(p)
			err := p.Validate()
			if tt.want == "" && err != nil {
				t.Errorf("Validate error = %v, want none", err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Validate error = %v, want one with %q", err, tt.want)
			}
		})
	}
}
