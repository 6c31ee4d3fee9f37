package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// variables returns the values of the variables of a plan that the environment
// overrides. All that are wrong are reported at once: to go on with a default in
// place of what somebody has written would be a guess.
func variables(p *plan.Plan, environ []string) (map[string]cond.Value, error) {
	have := map[string]string{}
	for _, kv := range environ {
		if key, text, ok := strings.Cut(kv, "="); ok {
			have[key] = text
		}
	}
	values := map[string]cond.Value{}
	var errs []error
	for i := range p.Variables {
		v := &p.Variables[i]
		text, ok := have[v.Env]
		if v.Env == "" || !ok {
			continue
		}
		value, err := readVariable(v, text)
		if err != nil {
			errs = append(errs, fmt.Errorf("variable %s: the environment variable %s %w: correct or unset it", v.Name, v.Env, err))
			continue
		}
		values[v.Name] = value
	}
	return values, errors.Join(errs...)
}

// readVariable reads the text of an environment variable as the type that the
// default has; without one, as text.
func readVariable(v *plan.Variable, text string) (cond.Value, error) {
	if v.Default == nil || v.Default.Kind() == cond.String {
		value, err := cond.ParseValue(cond.String, []byte(text))
		if err != nil {
			return cond.Value{}, errors.New("is no valid UTF-8")
		}
		return value, nil
	}
	value, err := cond.ParseJSON([]byte(text))
	if err != nil {
		return cond.Value{}, fmt.Errorf("is no JSON (%w)", err)
	}
	if got, want := typeOf(value), typeOf(*v.Default); got != want {
		return cond.Value{}, fmt.Errorf("is %s, want %s as the default", got, want)
	}
	return value, nil
}

// typeOf names the type of a json value.
func typeOf(v cond.Value) string {
	switch v.Tree().(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "an array"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case bool:
		return "a boolean"
	}
	return "null"
}
