package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/plan/diff"
	"github.com/rind-sockets/rind/runtime/control"
	"github.com/rind-sockets/rind/runtime/flow"
)

// reloads keeps what belongs to the plan that is being loaded: everything that has
// to be asked for is asked before the loop sees the plan.
type reloads struct {
	turn    chan struct{} // holds a value while one is under way: one at a time
	next    prepared      // of the Reload that the loop gets next; the loop's
	changed chan struct{} // gets a value when a socket has been opened or closed

	mu      sync.Mutex
	current *plan.Plan // that the loop has
}

// Step implements [loop.Recorder]: a reload waits for the listeners that it moves.
func (r *reloads) Step(ev flow.Event, _ []flow.Effect) {
	_, opened := ev.(flow.Opened)
	_, failed := ev.(flow.OpenFailed)
	_, closed := ev.(flow.Closed)
	if !opened && !failed && !closed {
		return
	}
	select {
	case r.changed <- struct{}{}:
	default: // whoever waits will look anyway
	}
}

// prepared is a plan that can be taken over.
type prepared struct {
	plan  *plan.Plan
	rules rules
	show  func() // tells the control interface

	// lists gets what is left to do about the paths of sockets that stay.
	lists chan<- []func() error
}

// reload loads another plan, or says what would happen (SPEC §9). A plan that cannot
// be applied changes nothing.
func (d *daemon) reload(ctx context.Context, r control.Reload) (control.Reloaded, error) {
	select {
	case d.reloads.turn <- struct{}{}:
		defer func() { <-d.reloads.turn }()
	case <-ctx.Done():
		return control.Reloaded{}, context.Cause(ctx) // whoever asked has gone
	}
	taken := false
	if !r.DryRun {
		defer func() { d.observed.reloaded(taken) }()
	}
	if r.By == bySignal {
		// A service manager waits for the end of what it has asked for, whatever comes
		// of it.
		defer d.announce()()
	}
	p, err := d.opts.Load(r.Path)
	if err != nil {
		return control.Reloaded{}, err
	}
	values, err := d.verify(ctx, p)
	if err != nil {
		return control.Reloaded{}, err
	}
	before := d.currentPlan()
	out := control.Reloaded{Plan: p, Changes: diff.Compare(before, p).Text()}
	if r.DryRun {
		return out, nil
	}
	if r.By != bySignal {
		defer d.announce()()
	}
	granted := d.withGrants(p)
	lists := make(chan []func() error, 1)
	next := prepared{plan: p, rules: resolveRules(granted, d.log), show: d.server.SetPlan(granted), lists: lists}
	// The answer is waited for also if whoever asked has gone: the plan is taken over
	// all the same.
	reply, err := d.loop.Ask(context.WithoutCancel(ctx), r.By, func(from flow.Request) flow.Event {
		d.reloads.next = next
		return flow.Reload{Plan: p, Variables: values, From: from}
	})
	var followed []string
	select {
	case todo := <-lists: // also if the daemon has ended since: it has descriptors
		followed = applyLists(todo)
	default: // the plan was not taken over
	}
	switch {
	case err != nil:
		return control.Reloaded{}, err
	case reply.Outcome != flow.Done:
		return control.Reloaded{}, errors.New(reply.Message)
	}
	taken = true
	d.log.InfoContext(ctx, "plan loaded", slog.String("plan", p.Digest), slog.String("by", r.By))
	out.Problems, err = d.settle(ctx, changedSockets(before, p))
	out.Problems = append(followed, out.Problems...)
	return out, err
}

// settleTime is how long a reload waits for the listeners that it moves. What takes
// longer, such as the look-up of a name, goes on.
const settleTime = 10 * time.Second

// settle waits until sockets are open, closed or failed, and returns what went wrong
// with them.
func (d *daemon) settle(ctx context.Context, of map[plan.Name]bool) (problems []string, err error) {
	late := time.NewTimer(settleTime)
	defer late.Stop()
	for patient := true; ; {
		snap, err := d.loop.Snapshot(ctx)
		if err != nil {
			return nil, fmt.Errorf("the plan was loaded, what came of it is not known: %w", err)
		}
		moving := 0
		problems = problems[:0]
		for i := range snap.Sockets {
			s := &snap.Sockets[i]
			if !of[s.Def.Name] {
				continue
			}
			if s.Moving {
				moving++
			}
			if text := socketProblem(s); text != "" {
				problems = append(problems, text)
			}
		}
		if moving == 0 || !patient {
			return problems, nil
		}
		select {
		case <-d.reloads.changed:
		case <-late.C:
			patient = false
		case <-ctx.Done(): // whoever asked has gone
			return nil, context.Cause(ctx)
		}
	}
}

// socketProblem is what an operator has to know of a socket after a reload.
func socketProblem(s *flow.SocketStatus) string {
	title := "socket " + string(s.Def.Name)
	switch {
	case s.State == flow.SocketFailed:
		return title + " has failed: " + s.Reason
	case s.State == flow.SocketStarting && !s.Moving:
		return title + " cannot be opened yet: " + s.Reason
	case s.Moving:
		return title + " is still on its way: " + string(s.State)
	case strings.HasPrefix(s.LastError, flow.StillBound):
		return title + " is " + s.LastError
	}
	return ""
}

// changedSockets are the sockets that are not the same in two plans.
func changedSockets(before, now *plan.Plan) map[plan.Name]bool {
	was, changed := map[plan.Name]*plan.Socket{}, map[plan.Name]bool{}
	for i := range before.Sockets {
		was[before.Sockets[i].Name] = &before.Sockets[i]
		changed[before.Sockets[i].Name] = true
	}
	for i := range now.Sockets {
		def := &now.Sockets[i]
		changed[def.Name] = !reflect.DeepEqual(was[def.Name], def)
	}
	return changed
}

// verify reports why a plan cannot be applied, and returns its variables.
func (d *daemon) verify(ctx context.Context, p *plan.Plan) (values map[string]cond.Value, err error) {
	var errs []error
	for i := range p.Transports {
		t, err := pluginOf(&p.Transports[i])
		if err == nil {
			err = d.host.Check(ctx, t)
		}
		errs = append(errs, err)
	}
	values, err = variables(p, d.opts.Environ)
	return values, errors.Join(append(errs, err)...)
}

// currentPlan is the plan that a reload replaces.
func (d *daemon) currentPlan() *plan.Plan {
	d.reloads.mu.Lock()
	defer d.reloads.mu.Unlock()
	return d.reloads.current
}

// reloadFile loads the plan's file again because of a signal, or because the file
// has changed.
func (d *daemon) reloadFile(ctx context.Context) {
	if d.opts.Load == nil {
		d.log.WarnContext(ctx, "reload refused: the plan is from no file")
		return
	}
	out, err := d.reload(ctx, control.Reload{By: bySignal})
	switch {
	case err != nil && out.Plan == nil:
		d.log.ErrorContext(ctx, "reload failed, the plan before goes on", slog.Any("error", err))
	case err != nil:
		d.log.ErrorContext(ctx, "reload", slog.Any("error", err))
	}
	for _, text := range out.Problems {
		d.log.ErrorContext(ctx, "reload is not complete", slog.String("problem", text))
	}
}

// bySignal is who asks for the reload of a [Options.Reload].
const bySignal = "signal"

// announce tells the service manager that a reload begins, and returns what tells it
// that it is over.
func (d *daemon) announce() (over func()) {
	if !d.observed.ready.Load() { // READY=1 is still to come, or there is an end instead
		return func() {}
	}
	d.tell(d.opts.Reloading)
	return func() { d.tell(d.opts.Ready) }
}

// tell tells the service manager of a reload.
func (d *daemon) tell(say func() error) {
	if say == nil {
		return
	}
	if err := say(); err != nil {
		d.log.Warn("cannot tell the service manager of a reload", slog.Any("error", err))
	}
}

// takePlan is the hook of the loop for the plan of a Reload.
func (d *daemon) takePlan(p *plan.Plan, later []plan.Name) {
	next := d.reloads.next
	d.reloads.next = prepared{}
	if next.plan != p { // cannot be: each Reload is made together with it
		d.log.Error("a plan was taken over that nobody has prepared", slog.String("plan", p.Digest))
		return
	}
	d.opts.Plan, d.rules = p, next.rules
	d.reloads.mu.Lock()
	d.reloads.current = p
	d.reloads.mu.Unlock()
	d.sockets.define(p)
	next.lists <- d.sockets.follow()
	d.processes.define(p, later)
	next.show()
}

// define takes the definitions of a plan for everything that is opened from now on,
// and for the listeners that stay.
func (s *sockets) define(p *plan.Plan) {
	clear(s.defs)
	for i := range p.Sockets {
		def := &p.Sockets[i]
		s.defs[def.Name] = def
		li := s.open[def.Name]
		if li == nil || !maps.Equal(li.def.Options, def.Options) {
			continue // that one is replaced, and closed as it was opened
		}
		more := wantsData(def, li.facts.Stream) && !wantsData(li.def, li.facts.Stream)
		li.def = def
		if more && li.server != nil && !def.Accept && !li.serving {
			li.server.WantData()
		}
	}
}

// define takes the definitions of a plan, but for the services in later, which keep
// theirs until they are down: one that is gone may come back before that, in another
// shape.
func (p *processes) define(of *plan.Plan, later []plan.Name) {
	waits := map[plan.Name]bool{}
	for _, name := range later {
		waits[name] = true
	}
	is := map[string]bool{}
	for i := range of.Services {
		is[string(of.Services[i].Name)] = true
	}
	p.last.forget(func(service string) bool { return is[service] })
	maps.DeleteFunc(p.defs, func(name plan.Name, _ *plan.Service) bool { return !is[string(name)] && !waits[name] })
	for i := range of.Services {
		if def := &of.Services[i]; !waits[def.Name] {
			p.defs[def.Name] = def
		}
	}
}

// takeService is the hook of the loop for a service that has waited for its end. The
// plan may not have it any more.
func (p *processes) takeService(name plan.Name) {
	delete(p.defs, name)
	for i := range p.daemon.opts.Plan.Services {
		if def := &p.daemon.opts.Plan.Services[i]; def.Name == name {
			p.defs[name] = def
		}
	}
}
