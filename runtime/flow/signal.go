package flow

import (
	"fmt"
	"maps"
	"slices"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// emitSignal validates a signal and delivers it.
func (e *Engine) emitSignal(ev EmitSignal, w why) {
	s, ok := e.signals[ev.Signal]
	if !ok {
		e.refuse(w, Unknown, fmt.Sprintf("no such signal: %s", ev.Signal))
		return
	}
	err := s.def.CheckPayload(ev.Value)
	if err == nil && ev.Value.Len() > maxPayload {
		err = tooLong(ev.Value)
	}
	if err != nil {
		e.refuse(w, Failed, fmt.Sprintf("signal %s: %v", ev.Signal, err))
		return
	}
	if e.exited {
		e.refuse(w, Failed, "failed: the daemon is shutting down")
		return
	}
	if e.booted {
		e.record(s, ev.Value, w.text)
		e.propagate(w)
	}
	e.reply(w.from, Done, "emitted")
}

func (e *Engine) record(s *signal, v cond.Value, cause string) {
	e.changes = append(e.changes, change{
		kind: cond.Signal, name: string(s.def.Name), value: v, interest: &s.interest, cause: cause,
	})
}

// emission is a signal that follows from changes of states.
type emission struct {
	signal *signal
	value  cond.Value
}

// follow emits a signal that follows from the change that is being delivered.
// Several states that change together, one because of the other, are one reason
// to emit it for each payload.
func (e *Engine) follow(s *signal) {
	v, err := e.payloadOf(s)
	if err != nil {
		e.report("signal not emitted", string(s.def.Name), err.Error())
		return
	}
	if e.changed.kind == cond.State {
		again := slices.ContainsFunc(e.emitted, func(m emission) bool { return m.signal == s && m.value.Equal(v) })
		if again {
			return
		}
		e.emitted = append(e.emitted, emission{s, v})
	}
	if e.spend("signal " + string(s.def.Name)) {
		e.record(s, v, e.changed.describe())
	}
}

// payloadOf returns the payload that a signal takes over from the change that it
// follows from, or, if that has one of another kind, from the first condition
// that has one of its kind: the whole of it, or the fields that it lists.
func (e *Engine) payloadOf(s *signal) (cond.Value, error) {
	if s.def.Payload == cond.None {
		return cond.NoneValue(), nil
	}
	from, v := e.changed.name, e.changed.value
	if v.Kind() != s.def.Payload {
		a := e.origin(s.def.After, s.def.Payload)
		if a == nil {
			return cond.Value{}, noOrigin(s.def.Payload)
		}
		from = a.Name
		v, _ = e.match(a)
	}
	if len(s.def.Branch) == 0 {
		return v, nil
	}
	fields := map[string]any{}
	if err := takeOver(fields, s.def.Branch, v); err != nil {
		return cond.Value{}, fmt.Errorf("the payload of %s: %w", from, err)
	}
	return cond.JSONValue(fields)
}

func noOrigin(k cond.Kind) error {
	return fmt.Errorf("nothing that it follows from has a payload of kind %v now", k)
}

// takeOver copies the fields of v that keys name as their source to their target.
func takeOver(into map[string]any, keys []plan.BranchKey, v cond.Value) error {
	have, _ := v.Tree().(map[string]any)
	for _, k := range keys {
		source := k.Source
		if source == "" {
			source = k.Target
		}
		field, ok := have[source]
		if !ok {
			return fmt.Errorf("there is no field %q among %q", source, slices.Sorted(maps.Keys(have)))
		}
		into[k.Target] = field
	}
	return nil
}
