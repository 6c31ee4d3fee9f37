package lower

import (
	"time"

	"github.com/rind-sockets/rind/compiler/check"
	"github.com/rind-sockets/rind/compiler/resolve"
	"github.com/rind-sockets/rind/compiler/typing"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// Defaults that the plan spells out, because their tables do.
const (
	burstInterval = 2 * time.Second
	watchdogGrace = 15 * time.Second
	evalTimeout   = 5 * time.Second
)

func socketLimits(l *unit.SocketLimits) *plan.SocketLimits {
	if l == nil {
		return nil
	}
	out := &plan.SocketLimits{
		MaxConnections: int(l.MaxConnections.Value),
		PerSource:      int(l.PerSource.Value),
		OnLimit:        or(l.OnLimit, "pause"),
	}
	if t := l.Trigger; t != nil {
		out.Burst, out.Interval = int(t.Burst.Value), duration(t.Interval, burstInterval)
	}
	return out
}

func (l *lowerer) services() {
	l.out.Services = make([]plan.Service, 0, len(l.program.Services))
	for _, s := range l.program.Services {
		u := s.Unit
		out := plan.Service{
			Name:       s.Name,
			StartOn:    l.used.expr(s.StartOn),
			StopOn:     l.used.expr(s.StopOn),
			OnStart:    l.used.actions(s.OnStart),
			OnStop:     l.used.actions(s.OnStop),
			Restart:    restart(u.Restart),
			User:       u.User.Value,
			Group:      u.Group.Value,
			WorkingDir: u.WorkingDir.Value,

			After:     serviceNames(s.After),
			ManagedBy: l.used.permissions(s.ManagedBy),
			Notify:    u.Ready.Value == "notify",
			Stop:      stop(u.Stop),
			Watchdog:  watchdog(u.Watchdog),
			Multiple:  !u.Singleton.Or(true),
			Branching: l.branching(s),
			Space:     l.space(s),

			Umask:           u.Umask.Value,
			EnvFile:         u.EnvFile.Value,
			Limits:          resourceLimits(u.Limits),
			NoNewPrivileges: u.NoNewPrivileges.Value,
			Capabilities:    capabilities(u.Capabilities),
			Stdout:          output(u.Stdout),
			Stderr:          output(u.Stderr),
		}
		out.Run = make([]plan.Command, 0, len(u.Run))
		for _, r := range u.Run {
			out.Run = append(out.Run, lowerRun(r))
		}
		l.out.Services = append(l.out.Services, out)
	}
}

func lowerRun(r unit.Run) plan.Command {
	if r.Variable.Set() {
		return plan.Command{Variable: r.Variable.Value}
	}
	c := plan.Command{Exec: r.Exec.Value, Args: values(r.Args)}
	for _, e := range r.Env {
		if c.Env == nil {
			c.Env = make(map[string]string, len(r.Env))
		}
		c.Env[e.Name.Value] = e.Value.Value
	}
	return c
}

// restart leaves out what is the default, so that a plan needs nothing that it
// does not use.
func restart(r unit.Restart) plan.Restart {
	other := func(d unit.Duration, usual time.Duration) plan.Duration {
		if d.Value == usual {
			return 0
		}
		return plan.Duration(d.Value)
	}
	return plan.Restart{
		Always:     r.Always,
		MaxRetries: int(r.MaxRetries.Value),
		Backoff:    other(r.Backoff, plan.RestartDelay),
		MaxBackoff: other(r.MaxBackoff, plan.MaxRestartDelay),
		ResetAfter: other(r.ResetAfter, plan.ForgiveAfter),
	}
}

func stop(s *unit.Stop) plan.Stop {
	var out plan.Stop
	if s == nil {
		return out
	}
	if s.Signal.Value != "SIGTERM" {
		out.Signal = s.Signal.Value
	}
	if d := plan.Duration(s.Timeout.Value); s.Timeout.Set() && s.Timeout.Value != plan.StopTimeout {
		out.Timeout = &d
	}
	return out
}

func watchdog(w *unit.Watchdog) *plan.Watchdog {
	if w == nil {
		return nil
	}
	return &plan.Watchdog{
		Interval: plan.Duration(w.Interval.Value),
		Grace:    duration(w.Grace, watchdogGrace),
		Action:   or(w.Action, "restart"),
	}
}

func (l *lowerer) branching(s *check.Service) *plan.Branching {
	if s.Branching == nil {
		return nil
	}
	b := s.Unit.Branching
	return &plan.Branching{
		State:        l.used.state(s.Branching.Name),
		Key:          or(b.Key, plan.DefaultBranchKey),
		MaxInstances: int(b.MaxInstances.Value),
	}
}

func (l *lowerer) space(s *check.Service) *plan.Space {
	u := s.Unit.Space
	switch {
	case u == nil:
		return nil
	case u.User.Set():
		return &plan.Space{User: u.User.Value}
	case u.Word.Value != "user":
		return nil
	case s.UserSource == nil:
		l.used.state("rind@user_session") // where the engine looks
		return &plan.Space{}
	}
	from := s.Unit.UserSource
	return &plan.Space{
		State:     l.used.state(s.UserSource.Name),
		Field:     or(from.Field, "username"),
		BranchKey: from.BranchKey.Value,
	}
}

func resourceLimits(l *unit.ResourceLimits) map[string]plan.Limit {
	if l == nil {
		return nil
	}
	var out map[string]plan.Limit
	for i, r := range unit.Resources {
		limit := l.Limits[i]
		if !limit.Set() {
			continue
		}
		if out == nil {
			out = map[string]plan.Limit{}
		}
		out[r.Name] = plan.Limit{Soft: limit.Soft.Value, Hard: limit.Hard.Value}
	}
	return out
}

// capabilities is nil for an absent list, and empty for an empty one.
func capabilities(list unit.List) []string {
	if !list.Set() {
		return nil
	}
	return append([]string{}, unique(values(list))...)
}

func output(o *unit.Output) plan.Output {
	switch {
	case o == nil:
		return plan.Output{}
	case o.File.Set():
		return plan.Output{To: "file", File: o.File.Value}
	case o.Word.Value == "log":
		return plan.Output{}
	}
	return plan.Output{To: o.Word.Value}
}

func (l *lowerer) timers() {
	for _, t := range l.program.Timers {
		l.out.Timers = append(l.out.Timers, plan.Timer{
			Name:     t.Name,
			Duration: plan.Duration(t.Unit.Duration.Value),
			After:    serviceNames(t.After),
			Repeat:   t.Unit.Repeat.Value,
			Finish:   l.used.actions(t.Finish),
		})
	}
}

func (l *lowerer) state(s *check.State) plan.State {
	out := s.State.State
	out.After = l.used.expr(s.After)
	out.Permissions = l.used.permissions(s.Permissions)
	for i, absent := range s.Absent {
		out.ActivateOnNone = append(out.ActivateOnNone, plan.Absence{
			State:  l.used.state(absent.Name),
			Branch: s.Unit.ActivateOnNone.Items[i].Branch.Value,
		})
	}
	if a := s.Unit.AutoPayload; a != nil {
		out.AutoPayload = &plan.AutoPayload{
			Eval: a.Eval.Value, Args: values(a.Args), Variable: a.Variable.Value,
			Insert: values(a.Insert), Many: a.Many.Value,
		}
		if a.Eval.Set() {
			out.AutoPayload.Timeout = duration(a.Timeout, evalTimeout)
		}
	}
	return out
}

// value returns the value of a variable, nil for none.
func value(v unit.Any) *cond.Value {
	if !v.Set() {
		return nil
	}
	if text, ok := v.Value.(string); ok {
		out := cond.StringValue(text)
		return &out
	}
	data, err := typing.Tree(v.Value)
	if err != nil {
		return nil // the decoder reports what has no JSON form
	}
	out, err := cond.JSONValue(data)
	if err != nil {
		return nil
	}
	return &out
}

func serviceNames(list []*resolve.Service) []plan.Name {
	var names []plan.Name
	for _, s := range list {
		names = append(names, s.Name)
	}
	return unique(names)
}

// or returns what was written, or otherwise.
func or(s unit.String, otherwise string) string {
	if s.Set() {
		return s.Value
	}
	return otherwise
}

func duration(d unit.Duration, otherwise time.Duration) plan.Duration {
	if d.Set() {
		return plan.Duration(d.Value)
	}
	return plan.Duration(otherwise)
}
