package daemon

import (
	"context"
	"errors"
	"log/slog"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
	"github.com/rind-sockets/rind/runtime/store"
)

// states is what is on disk. It implements [loop.Store].
type states struct{ *store.Store }

// Persist implements [loop.Store].
func (s states) Persist(changes []flow.Persist, done func(error)) {
	list := make([]store.Change, len(changes))
	for i, c := range changes {
		list[i] = store.Change(c)
	}
	s.Submit(list, done)
}

// Trouble implements [loop.Store].
func (s states) Trouble() error { return s.Status().Trouble }

// openStates opens the store, if there is to be one, and restores what is in it:
// everything that the plan has a place for. The rest stays on disk, for a plan that
// has one again.
func (d *daemon) openStates(ctx context.Context) error {
	if d.opts.StateDir == "" {
		return nil
	}
	opened, err := store.Open(store.Options{Dir: d.opts.StateDir, Log: d.log})
	if err != nil {
		return err
	}
	branches, err := opened.Load()
	if err != nil {
		return errors.Join(err, opened.Close(ctx))
	}
	d.states = &states{opened}
	d.loop.Save(d.states)
	defs := map[plan.Name]*plan.State{}
	for _, def := range flow.States(d.opts.Plan) {
		defs[def.Name] = def
	}
	unfit := map[plan.Name]bool{}
	restored := 0
	for _, b := range branches {
		if b.State == grantsRecord {
			d.restoreGrant(b)
			continue
		}
		if err := fits(defs[b.State], b); err != nil {
			if !unfit[b.State] { // one line for each state
				d.log.WarnContext(ctx, "state not restored, it stays on disk", slog.String("state", string(b.State)), slog.Any("error", err))
			}
			unfit[b.State] = true
			continue
		}
		restored++
		d.loop.Post(flow.SetState{State: b.State, Value: b.Value})
	}
	if restored > 0 {
		d.log.InfoContext(ctx, "states restored", slog.String("file", opened.Status().Path), slog.Int("branches", restored))
	}
	return nil
}

// fits reports why a branch on disk is none of a state of the plan.
func fits(def *plan.State, b store.Branch) error {
	switch {
	case b.Err != nil:
		return b.Err
	case def == nil:
		return errors.New("the plan has no such state")
	case def.Impermanent:
		return errors.New("it is impermanent in this plan")
	}
	branch, err := flow.BranchOf(def, b.Value)
	if err == nil && branch != b.Branch {
		err = errors.New("its branch keys are others in this plan")
	}
	return err
}

// closeStates ends the store, if there is one.
func (d *daemon) closeStates(ctx context.Context) error {
	if d.states == nil {
		return nil
	}
	return d.states.Close(ctx)
}

// storeFacts is what the status shows of the store, or nil.
func (d *daemon) storeFacts() *controlv1.StoreStatus {
	if d.states == nil {
		return nil
	}
	st := d.states.Status()
	status := &controlv1.StoreStatus{Path: st.Path, Damaged: st.Damaged, Unsaved: uint32(st.Unsaved)}
	if st.Trouble != nil {
		status.Problem = st.Trouble.Error()
	}
	return status
}
