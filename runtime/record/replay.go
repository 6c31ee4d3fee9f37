package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
)

// maxLine bounds one line of a record: an event with as many effects as its fuse
// allows.
const maxLine = 64 << 20

// events are the events that a record may have, by name.
var events = byName(
	flow.Boot{}, flow.Reload{}, flow.SetState{}, flow.RemoveState{}, flow.EmitSignal{},
	flow.StartSocket{}, flow.StopSocket{}, flow.StartService{}, flow.StopService{}, flow.Shutdown{},
	flow.Opened{}, flow.OpenFailed{}, flow.AddressesChanged{}, flow.Closed{}, flow.Broken{}, flow.Unreachable{}, flow.Accessed{}, flow.Inspected{}, flow.Arrived{}, flow.Denied{}, flow.Screened{}, flow.Served{},
	flow.PauseSocket{}, flow.ResumeSocket{}, flow.Connected{}, flow.Flushed{},
	flow.ProcessStarted{}, flow.ProcessFailed{}, flow.ProcessExited{}, flow.Notified{}, flow.Evaluated{}, flow.TimerFired{},
)

func byName(list ...flow.Event) map[string]reflect.Type {
	m := map[string]reflect.Type{}
	for _, ev := range list {
		m[reflect.TypeOf(ev).Name()] = reflect.TypeOf(ev)
	}
	return m
}

// DifferenceError is the first step whose effects are not those of the record.
type DifferenceError struct {
	Line      int // of the record
	Event     string
	Want, Got []string // effects, as the record has them
}

func (d *DifferenceError) Error() string {
	return fmt.Sprintf("line %d: the effects of %s differ from those in the record", d.Line, d.Event)
}

// Replay applies the events of a record to a new engine of the plan that it was
// made with, and compares the effects. It returns how many events were applied.
// A last line that was cut off, as by the end of the recording program, is left
// out. The error is a [*DifferenceError] if the engine did something else.
func Replay(r io.Reader, p *plan.Plan) (steps int, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	lines.Split(completeLines)
	engine, err := begin(lines, p)
	if err != nil {
		return 0, err
	}
	for lines.Scan() {
		if err := replayLine(engine, lines.Bytes(), steps+2); err != nil {
			return steps, err
		}
		steps++
	}
	if err := lines.Err(); err != nil {
		return steps, fmt.Errorf("read record: line %d: %w", steps+2, err)
	}
	return steps, nil
}

// completeLines is [bufio.ScanLines] without a last line that has no end.
func completeLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if atEOF && bytes.IndexByte(data, '\n') < 0 {
		return len(data), nil, nil
	}
	return bufio.ScanLines(data, atEOF)
}

// begin reads the first line and makes the engine.
func begin(lines *bufio.Scanner, p *plan.Plan) (*flow.Engine, error) {
	if !lines.Scan() {
		return nil, errors.Join(lines.Err(), errors.New("read record: it is empty"))
	}
	var h header
	err := json.Unmarshal(lines.Bytes(), &h)
	switch {
	case err != nil || h.Format != Format:
		return nil, fmt.Errorf("read record: the first line does not say that it is one of %q", Format)
	case h.Version != Version:
		return nil, fmt.Errorf("read record: it has version %d, this program reads version %d", h.Version, Version)
	case h.Plan != p.Digest:
		return nil, fmt.Errorf("read record: it was made with the plan %s, this one is %s", h.Plan, p.Digest)
	}
	return flow.New(p, flow.Config{Variables: h.Variables, Announce: h.Announce}), nil
}

func replayLine(engine *flow.Engine, text []byte, number int) error {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return fmt.Errorf("read record: line %d: %w", number, err)
	}
	ev, name, err := decodeEvent(l.Event)
	if err != nil {
		return fmt.Errorf("read record: line %d: %w", number, err)
	}
	d := &DifferenceError{Line: number, Event: name}
	for _, f := range engine.Step(ev) {
		text, err := tagged(f)
		if err != nil {
			return err
		}
		d.Got = append(d.Got, string(text))
	}
	same := len(d.Got) == len(l.Effects)
	for i, f := range l.Effects {
		d.Want = append(d.Want, string(f))
		same = same && d.Got[i] == d.Want[i]
	}
	if !same {
		return d
	}
	return nil
}

func decodeEvent(text []byte) (flow.Event, string, error) {
	var tagged map[string]json.RawMessage
	if err := json.Unmarshal(text, &tagged); err != nil {
		return nil, "", err
	}
	for name, data := range tagged {
		typ, known := events[name]
		if !known || len(tagged) != 1 {
			return nil, "", fmt.Errorf("there is no event %q", name)
		}
		v := reflect.New(typ)
		if err := json.Unmarshal(data, v.Interface()); err != nil {
			return nil, "", fmt.Errorf("event %s: %w", name, err)
		}
		ev, ok := reflect.TypeAssert[flow.Event](v.Elem())
		if !ok {
			return nil, "", fmt.Errorf("there is no event %q", name)
		}
		return ev, name, nil
	}
	return nil, "", errors.New("the event is missing")
}
