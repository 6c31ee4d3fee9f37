package flow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// rootKey is what Insert says for a value that is the payload.
const rootKey = "root"

// prepare reports whether the payloads that auto-payload makes are there. While
// the state is needed and they are not, each change of what it follows from asks
// for them once more; as soon as it is not needed, they are forgotten.
func (e *Engine) prepare(st *state, needed bool) bool {
	auto := st.def.AutoPayload
	switch {
	case !needed:
		e.forget(st)
		return false
	case st.made != nil:
		return true
	case auto.Variable != "":
		made, err := e.fromVariable(st.def)
		if err != nil {
			e.complain(st, err.Error())
			return false
		}
		st.made = made
		return true
	case st.eval == 0 && !e.stopping:
		e.lastEval++
		st.eval = e.lastEval
		e.evals[st.eval] = st
		e.emit(Evaluate{
			Eval: st.eval, Exec: auto.Eval, Args: auto.Args, Timeout: time.Duration(auto.Timeout),
			Cause: "auto-payload of state " + string(st.def.Name),
		})
	}
	return false
}

// forget makes an answer that is still to come one that nobody waits for.
func (e *Engine) forget(st *state) {
	delete(e.evals, st.eval)
	st.eval, st.made = 0, nil
}

// evaluated takes in the output of a program that makes a payload.
func (e *Engine) evaluated(ev Evaluated) {
	st := e.evals[ev.Eval]
	if st == nil {
		return // not needed any more
	}
	e.forget(st)
	var made []cond.Value
	err := errors.New(ev.Reason)
	if ev.Reason == "" {
		made, err = fromOutput(st.def, ev.Output)
	}
	if err != nil {
		e.report("auto-payload failed", string(st.def.Name),
			fmt.Sprintf("%s: %v; tried again when what the state follows from changes", st.def.AutoPayload.Eval, err))
		return
	}
	st.made = made
	e.soil(st)
	e.propagate(why{text: "auto-payload of state " + string(st.def.Name)})
}

// variable returns the value of a variable of the plan, if it has one.
func (e *Engine) variable(name string) (cond.Value, bool) {
	if v, ok := e.config.Variables[name]; ok {
		return v, true
	}
	def := e.variables[name]
	if def == nil || def.Default == nil {
		return cond.Value{}, false
	}
	return *def.Default, true
}

// fromVariable makes the payloads of a state out of the variable that it names.
func (e *Engine) fromVariable(st *plan.State) ([]cond.Value, error) {
	auto := st.AutoPayload
	v, ok := e.variable(auto.Variable)
	if !ok {
		return nil, fmt.Errorf("variable %s has no value", auto.Variable)
	}
	if st.Payload != cond.JSON {
		made, err := cond.ParseValue(st.Payload, []byte(scalarText(v)))
		return []cond.Value{made}, err
	}
	tree := v.Tree()
	if v.Kind() != cond.JSON {
		tree = v.Text()
	}
	items := []any{tree}
	if auto.Many {
		items, ok = tree.([]any)
		if !ok {
			return nil, fmt.Errorf("variable %s is no array, of which `many` makes branches", auto.Variable)
		}
	}
	made := []cond.Value{}
	for _, item := range items {
		doc, err := insert(auto, item, func() []any { list, _ := item.([]any); return list })
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", auto.Variable, err)
		}
		made = append(made, doc)
	}
	return made, nil
}

// scalarText is the text of a value for a payload that is text: a json string
// without its quotes.
func scalarText(v cond.Value) string {
	if text, ok := v.Tree().(string); ok {
		return text
	}
	return string(v.Raw())
}

// fromOutput makes the payloads of a state out of what a program printed.
func fromOutput(st *plan.State, output []byte) ([]cond.Value, error) {
	auto := st.AutoPayload
	switch {
	case st.Payload == cond.Bytes: // as it is
		return []cond.Value{cond.BytesValue(output)}, nil
	case st.Payload != cond.JSON:
		v, err := cond.ParseValue(st.Payload, bytes.TrimRight(output, "\r\n"))
		return []cond.Value{v}, err
	case whole(auto):
		return documents(output, auto.Many)
	}
	text := strings.TrimRight(strings.ToValidUTF8(string(output), "\uFFFD"), "\r\n")
	if !auto.Many {
		v, err := insert(auto, text, func() []any { return anys(lines(text)) })
		return []cond.Value{v}, err
	}
	made := []cond.Value{}
	for _, line := range lines(text) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		v, err := insert(auto, line, func() []any { return anys(strings.Fields(line)) })
		if err != nil {
			return nil, fmt.Errorf("line %q: %w", line, err)
		}
		made = append(made, v)
	}
	return made, nil
}

// whole reports whether a value is the payload, and not put into it.
func whole(auto *plan.AutoPayload) bool {
	return len(auto.Insert) == 0 || slices.Equal(auto.Insert, []string{rootKey})
}

// documents reads output that is json: one document, or with many any number of
// them, one after the other, where an array stands for its elements.
func documents(output []byte, many bool) ([]cond.Value, error) {
	if !many {
		v, err := cond.ParseJSON(output)
		if err != nil {
			return nil, fmt.Errorf("the output is no json: %w", err)
		}
		return []cond.Value{v}, nil
	}
	made := []cond.Value{}
	dec := json.NewDecoder(bytes.NewReader(output))
	for dec.More() {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, fmt.Errorf("the output is no json: %w", err)
		}
		v, err := cond.ParseJSON(raw)
		if err != nil {
			return nil, err
		}
		items, ok := v.Tree().([]any)
		if !ok {
			made = append(made, v)
			continue
		}
		for _, item := range items {
			element, err := cond.JSONValue(item)
			if err != nil {
				return nil, err
			}
			made = append(made, element)
		}
	}
	return made, nil
}

// insert puts a value under the key that auto names, or its parts under several
// keys.
func insert(auto *plan.AutoPayload, value any, parts func() []any) (cond.Value, error) {
	switch {
	case whole(auto):
		return cond.JSONValue(value)
	case len(auto.Insert) == 1:
		return cond.JSONValue(map[string]any{auto.Insert[0]: value})
	}
	list := parts()
	if len(list) < len(auto.Insert) {
		return cond.Value{}, fmt.Errorf("want a value for each of the keys %q, got %d", auto.Insert, len(list))
	}
	doc := map[string]any{}
	for i, key := range auto.Insert {
		doc[key] = list[i]
	}
	return cond.JSONValue(doc)
}

func lines(text string) []string {
	list := strings.Split(text, "\n")
	for i := range list {
		list[i] = strings.TrimSuffix(list[i], "\r")
	}
	return list
}

func anys(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}
