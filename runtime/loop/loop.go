// Package loop runs the engine: one goroutine that owns all changing state and
// never blocks. Everything else sends it events and carries out its effects.
package loop

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
)

// Sockets carries out the effects on sockets. No method blocks; answers come as
// events. All are called on the loop's goroutine.
type Sockets interface {
	Listeners
	Queues
	Connections
}

// Listeners are the sockets themselves.
type Listeners interface {
	Open(names []plan.Name) // all sockets that one step opens
	Close(name plan.Name)
	Watch(name plan.Name, what Watching)
}

// Queues are what waits in open sockets.
type Queues interface {
	Inspect(name plan.Name)
	Screen(name plan.Name)
	Serve(name plan.Name)
	Flush(name plan.Name)
}

// Connections are taken from sockets by the daemon.
type Connections interface {
	Accept(name plan.Name, most int)
	Dismiss(connection uint64)
}

// Watching says which accesses to a socket are to be reported.
type Watching uint8

// What is reported: nothing, the next access or the one that waits already, or
// everything that arrives.
const (
	Nothing Watching = iota
	NextAccess
	EachArrival
)

// Processes carries out the effects on processes, under the same rules.
type Processes interface {
	Spawn(flow.Spawn)
	Kill(flow.Kill)
	Command(flow.RunCommand)
	Evaluate(flow.Evaluate)
}

// Hooks are told about the life of the whole. They are called on the loop's
// goroutine and must not block; nil ones are not called.
type Hooks struct {
	// Ready: every socket that the plan wants from the start is open or has
	// failed. It is not called once a shutdown has begun.
	Ready func()

	// Plan: another plan counts from now on, but for the services in later, for
	// each of which Service is called when it does.
	Plan    func(p *plan.Plan, later []plan.Name)
	Service func(name plan.Name)

	// Ending: a shutdown has begun, or, when again is true, was asked for once
	// more by somebody who does not want to wait.
	Ending func(cause string, again bool)
}

// ErrBusy refuses a request when too many wait already.
var ErrBusy = errors.New("the daemon is busy: too many requests wait, try again")

// ErrClosed refuses a request after the end.
var ErrClosed = errors.New("the daemon is shutting down")

// Loop runs one engine. Post, Deliver, Ask and Snapshot are safe for concurrent
// use.
type Loop struct {
	engine *flow.Engine
	log    *slog.Logger
	inbox  *inbox
	timers timers

	sockets   Sockets
	processes Processes
	hooks     Hooks

	store    Store    // nil: states are kept in memory only
	recorder Recorder // nil: nobody wants a record
	out      outbox

	load     load
	watchers map[*watcher]bool

	lastRequest uint64
	asked       map[uint64]chan<- answer
	begun       bool // the engine has seen Boot
	opening     int  // OpenSocket effects without their answer
	booted      bool // the effects of Boot have been carried out
	readied     bool // Ready has been called
	ending      bool // those of Shutdown have
}

// New returns a loop that is not running yet; events may be posted already.
func New(e *flow.Engine, log *slog.Logger) *Loop {
	return &Loop{engine: e, log: log, inbox: newInbox(), watchers: map[*watcher]bool{}, asked: map[uint64]chan<- answer{}}
}

// Connect says who carries out the effects. It must be called before Run.
func (l *Loop) Connect(s Sockets, p Processes, h Hooks) {
	l.sockets, l.processes, l.hooks = s, p, h
}

// Save says who saves states: effects wait until the states that caused them are
// on disk. It must be called before Run. Without it states end with the process.
func (l *Loop) Save(s Store) { l.store = s }

// Recorder is told every event and its effects, in order, on the loop's goroutine.
// It must not block, and keeps neither.
type Recorder interface {
	Step(ev flow.Event, effects []flow.Effect)
}

// Record says who keeps a record. It must be called before Run.
func (l *Loop) Record(r Recorder) { l.recorder = r }

// Post delivers an event from inside: it never blocks and is never refused.
func (l *Loop) Post(ev flow.Event) { l.inbox.put(entry{event: ev}) }

// Deliver is Post for an event that is made on the loop's goroutine, when its
// turn has come: that is where things change hands. Without an event nothing is
// applied.
//
// Exactly one of event and discard is called. It is discard, which may be nil,
// when the loop has ended before; then whatever was to change hands is still the
// sender's. It is called on the goroutine of the caller or of Run.
func (l *Loop) Deliver(event func() flow.Event, discard func()) {
	en := entry{make: event, discard: discard}
	if !l.inbox.put(en) {
		en.refuse()
	}
}

// Ask delivers an event from outside and waits for its answer. event makes the
// event for the given request. If it was carried out, and what it changed is not on
// disk, the error is an *UnsavedError.
func (l *Loop) Ask(ctx context.Context, by string, event func(flow.Request) flow.Event) (flow.Reply, error) {
	answers := make(chan answer, 1)
	if err := l.inbox.submit(entry{by: by, ask: event, answer: answers}); err != nil {
		return flow.Reply{}, err
	}
	select {
	case a, ok := <-answers:
		if !ok {
			return flow.Reply{}, ErrClosed
		}
		return a.reply, a.err
	case <-ctx.Done():
		return flow.Reply{}, context.Cause(ctx)
	}
}

// Snapshot returns the state of everything between two events.
func (l *Loop) Snapshot(ctx context.Context) (flow.Snapshot, error) {
	answer := make(chan flow.Snapshot, 1)
	if err := l.inbox.submit(entry{look: answer}); err != nil {
		return flow.Snapshot{}, err
	}
	select {
	case s, ok := <-answer:
		if !ok {
			return flow.Snapshot{}, ErrClosed
		}
		return s, nil
	case <-ctx.Done():
		return flow.Snapshot{}, context.Cause(ctx)
	}
}

// Run applies events until the engine says that everything is stopped, which
// the end of ctx makes it do. When Run returns, nobody waits for an answer, and
// what was not applied has been discarded.
func (l *Loop) Run(ctx context.Context) {
	defer l.end()
	l.timers.start()
	defer l.timers.stop()
	done := ctx.Done()
	for {
		select {
		case <-done:
			done = nil // once is enough
			l.Post(flow.Shutdown{Cause: context.Cause(ctx).Error()})
		case <-l.inbox.wake:
			taken := l.inbox.take()
			for i, en := range taken {
				if l.apply(ctx, en) {
					refuse(taken[i+1:])
					return
				}
			}
		case <-l.timers.C():
			for id, ok := l.timers.due(time.Now()); ok; id, ok = l.timers.due(time.Now()) {
				if l.fire(ctx, id) {
					return
				}
			}
		}
		l.timers.set()
	}
}

// apply handles one entry of the inbox and reports whether it was the last.
func (l *Loop) apply(ctx context.Context, en entry) bool {
	defer l.load.step(time.Now())
	switch {
	case en.save != 0:
		return l.saved(ctx, en.save, en.saveErr)
	case en.look != nil:
		en.look <- l.engine.Snapshot()
		return false
	case en.watch != nil:
		l.watchers[en.watch] = true
		return false
	case en.unwatch != nil:
		l.unwatch(en.unwatch)
		return false
	case en.ask != nil:
		l.lastRequest++
		l.asked[l.lastRequest] = en.answer
		return l.step(ctx, en.ask(flow.Request{ID: l.lastRequest, By: en.by}))
	}
	ev := en.event
	if en.make != nil {
		if ev = en.make(); ev == nil {
			return false
		}
	}
	return l.step(ctx, ev)
}

// fire applies the end of a timer and reports whether that was the end of all.
func (l *Loop) fire(ctx context.Context, id flow.TimerID) bool {
	defer l.load.step(time.Now())
	if id == holdTimer {
		return l.giveUp(ctx)
	}
	return l.step(ctx, flow.TimerFired{Timer: id})
}

// step applies one event and carries out its effects, unless they have to wait.
func (l *Loop) step(ctx context.Context, ev flow.Event) (exit bool) {
	if _, ok := ev.(flow.Boot); ok {
		l.begun = true
	}
	effects := l.engine.Step(ev)
	if l.recorder != nil {
		l.recorder.Step(ev, effects)
	}
	if len(l.out.steps) > 0 || l.persists(effects) {
		l.hold(ev, effects)
		return false
	}
	return l.perform(ctx, ev, effects, nil)
}

// perform carries out the effects of one event. unsaved is why the states that it
// changed are not on disk.
func (l *Loop) perform(ctx context.Context, ev flow.Event, effects []flow.Effect, unsaved error) (exit bool) {
	l.count(ev)
	var open []plan.Name
	for _, f := range effects {
		switch f := f.(type) {
		case flow.OpenSocket:
			open = append(open, f.Socket)
		case flow.CloseSocket:
			l.sockets.Close(f.Socket)
		case flow.Watch:
			what := NextAccess
			if f.EachArrival {
				what = EachArrival
			}
			l.sockets.Watch(f.Socket, what)
		case flow.Inspect:
			l.sockets.Inspect(f.Socket)
		case flow.Unwatch:
			l.sockets.Watch(f.Socket, Nothing)
		case flow.Screen:
			l.sockets.Screen(f.Socket)
		case flow.Serve:
			l.sockets.Serve(f.Socket)
		case flow.Accept:
			l.sockets.Accept(f.Socket, f.Most)
		case flow.Dismiss:
			l.sockets.Dismiss(f.Connection)
		case flow.Flush:
			l.sockets.Flush(f.Socket)
		case flow.Spawn:
			l.processes.Spawn(f)
		case flow.Kill:
			l.processes.Kill(f)
		case flow.RunCommand:
			l.processes.Command(f)
		case flow.Evaluate:
			l.processes.Evaluate(f)
		case flow.Persist: // has been saved
		case flow.Announce:
			l.announce(Announcement{Announce: f})
		case flow.ArmTimer:
			l.timers.arm(f.Timer, time.Now().Add(f.D))
		case flow.CancelTimer:
			l.timers.cancel(f.Timer)
		case flow.Reply:
			l.reply(f, l.unsaved(ev, f.Outcome, unsaved))
		case flow.Transition:
			l.transition(ctx, f)
			if len(l.watchers) > 0 {
				l.announce(Announcement{Transition: &f})
			}
		case flow.Report:
			l.log.LogAttrs(ctx, slog.LevelWarn, "attention",
				slog.String("problem", f.Message), slog.String("unit", f.Name), slog.String("detail", f.Detail))
		case flow.TakePlan:
			if r, ok := ev.(flow.Reload); ok && l.hooks.Plan != nil {
				l.hooks.Plan(r.Plan, f.Later)
			}
		case flow.TakeService:
			if l.hooks.Service != nil {
				l.hooks.Service(f.Service)
			}
		case flow.Exit:
			exit = true
		}
	}
	if len(open) > 0 {
		l.opening += len(open)
		l.sockets.Open(open)
	}
	l.tell(ev)
	return exit
}

// count follows the start of the plan, to know when its sockets are open.
func (l *Loop) count(ev flow.Event) {
	if _, ok := ev.(flow.Boot); ok {
		l.booted = true
	}
	_, opened := ev.(flow.Opened)
	_, failed := ev.(flow.OpenFailed)
	if opened || failed {
		l.opening--
	}
}

// tell calls the hooks that an event is a reason for.
func (l *Loop) tell(ev flow.Event) {
	if end, ok := ev.(flow.Shutdown); ok {
		again := l.ending
		l.ending = true
		if l.hooks.Ending != nil {
			l.hooks.Ending(end.Cause, again)
		}
	}
	if l.booted && l.opening == 0 && !l.readied && !l.ending {
		l.readied = true
		if l.hooks.Ready != nil {
			l.hooks.Ready()
		}
	}
}

func (l *Loop) reply(r flow.Reply, unsaved error) {
	to, ok := l.asked[r.Request]
	if !ok {
		return
	}
	delete(l.asked, r.Request)
	a := answer{reply: r}
	if unsaved != nil {
		a.err = &UnsavedError{Message: r.Message, Err: unsaved}
	}
	to <- a
}

func (l *Loop) transition(ctx context.Context, t flow.Transition) {
	level := slog.LevelInfo
	if t.Failure {
		level = slog.LevelError
	}
	name := string(t.Name)
	if t.Instance != "" {
		name += "[" + t.Instance + "]"
	}
	l.log.LogAttrs(ctx, level, "state changed",
		slog.String(t.Kind, name),
		slog.String("state", t.To),
		slog.String("from", t.From),
		slog.String("cause", t.Cause))
}

// end refuses whoever still waits.
func (l *Loop) end() {
	refuse(l.inbox.close())
	for id, to := range l.asked {
		delete(l.asked, id)
		close(to)
	}
	for w := range l.watchers {
		l.unwatch(w)
	}
}

func refuse(entries []entry) {
	for _, en := range entries {
		en.refuse()
	}
}
