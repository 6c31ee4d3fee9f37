// Package record writes what happened to an engine, and replays it: the events in
// their order and the effects that each had. The same events have the same
// effects (ARCHITECTURE.md, event-loop rules), so a record of a daemon that did
// something strange can be looked at elsewhere.
package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sync"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
	"github.com/rind-sockets/rind/runtime/flow"
)

// Format is what the first line of a record says, and Version its version.
const (
	Format  = "rind.record"
	Version = 1
)

// header is the first line of a record.
type header struct {
	Format    string                `json:"format"`
	Version   int                   `json:"version"`
	Plan      string                `json:"plan"` // digest
	Variables map[string]cond.Value `json:"variables,omitempty"`
	Announce  bool                  `json:"announce,omitempty"`
}

// line is one step.
type line struct {
	Event   json.RawMessage   `json:"event"`
	Effects []json.RawMessage `json:"effects"`
}

// pending is how many bytes may wait for a slow disk.
const pending = 16 << 20

// ErrSlow says that a record ends early: what it is written to is slower than the
// events come.
var ErrSlow = errors.New("the record ends early: it cannot be written as fast as events come")

// A Recorder writes a record. Step never waits: a goroutine writes.
type Recorder struct {
	mu    sync.Mutex
	wake  sync.Cond
	buf   bytes.Buffer
	err   error // of encoding, or ErrSlow
	ended bool

	done     chan struct{}
	writeErr error // valid when done is closed
}

// New begins the record of an engine with this plan and configuration. The
// caller closes the Recorder; w stays open.
func New(w io.Writer, p *plan.Plan, config flow.Config) (*Recorder, error) {
	first, err := json.Marshal(header{
		Format: Format, Version: Version, Plan: p.Digest, Variables: config.Variables, Announce: config.Announce,
	})
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	r := &Recorder{done: make(chan struct{})}
	r.wake.L = &r.mu
	r.buf.Write(append(first, '\n'))
	go r.write(w)
	return r, nil
}

// Step adds an event and its effects, which it does not keep.
func (r *Recorder) Step(ev flow.Event, effects []flow.Effect) {
	text, err := encodeLine(ev, effects)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.err != nil || r.ended:
	case err != nil:
		r.err = err
	case r.buf.Len()+len(text) > pending:
		r.err = ErrSlow
	default:
		r.buf.Write(text)
		r.wake.Signal()
	}
}

// Close writes what is left, and returns why the record is not complete.
func (r *Recorder) Close() error {
	r.mu.Lock()
	r.ended = true
	r.wake.Signal()
	r.mu.Unlock()
	<-r.done
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.err, r.writeErr)
}

// write writes what Step adds until Close.
func (r *Recorder) write(w io.Writer) {
	defer close(r.done)
	var out bytes.Buffer
	for {
		r.mu.Lock()
		for r.buf.Len() == 0 && !r.ended {
			r.wake.Wait()
		}
		out, r.buf = r.buf, out
		last := r.ended && r.buf.Len() == 0
		r.mu.Unlock()
		if _, err := w.Write(out.Bytes()); err != nil && r.writeErr == nil {
			r.writeErr = fmt.Errorf("record: %w", err)
		}
		out.Reset()
		if last {
			return
		}
	}
}

func encodeLine(ev flow.Event, effects []flow.Effect) ([]byte, error) {
	var l line
	var err error
	if l.Event, err = tagged(ev); err != nil {
		return nil, err
	}
	l.Effects = make([]json.RawMessage, len(effects))
	for i, f := range effects {
		if l.Effects[i], err = tagged(f); err != nil {
			return nil, err
		}
	}
	text, err := encode(l)
	return append(text, '\n'), err
}

// tagged encodes a value with the name of its type: {"Accessed":{…}}.
func tagged(v any) (json.RawMessage, error) {
	return encode(map[string]any{reflect.TypeOf(v).Name(): v})
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
