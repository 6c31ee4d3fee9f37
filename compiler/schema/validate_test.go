package schema_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// node is a JSON Schema of draft-07 with the keywords that the schemas here use.
type node struct {
	Dialect     string `json:"$schema"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Default     any    `json:"default"`

	Ref     string   `json:"$ref"`
	Type    string   `json:"type"`
	Const   any      `json:"const"`
	Enum    []any    `json:"enum"`
	Pattern string   `json:"pattern"`
	Minimum *float64 `json:"minimum"`
	Maximum *float64 `json:"maximum"`

	MinLength int   `json:"minLength"`
	Items     *node `json:"items"`
	MinItems  int   `json:"minItems"`

	Properties    map[string]*node `json:"properties"`
	Required      []string         `json:"required"`
	Additional    json.RawMessage  `json:"additionalProperties"`
	MaxProperties *int             `json:"maxProperties"`

	AllOf []*node `json:"allOf"`
	AnyOf []*node `json:"anyOf"`
	OneOf []*node `json:"oneOf"`
	If    *node   `json:"if"`
	Then  *node   `json:"then"`

	Definitions map[string]*node `json:"definitions"`
}

// validator checks values against a schema.
type validator struct {
	t    *testing.T
	root *node
}

// parse returns a validator for an encoded schema, whose keywords it must know.
func parse(t *testing.T, text []byte) validator {
	t.Helper()
	v := validator{t: t, root: &node{}}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v.root); err != nil {
		t.Fatal(err)
	}
	return v
}

// errors returns what is wrong with a value, which is decoded JSON.
func (v validator) errors(value any) []string { return v.check(v.root, value, "") }

func (v validator) check(s *node, value any, at string) []string {
	v.t.Helper()
	if s.Ref != "" {
		name, ok := strings.CutPrefix(s.Ref, "#/definitions/")
		d := v.root.Definitions[name]
		if !ok || d == nil {
			v.t.Fatalf("reference to %q, which is not defined", s.Ref)
		}
		return v.check(d, value, at)
	}
	var bad []string
	for _, text := range s.simple(value) {
		bad = append(bad, at+": "+text)
	}
	if list, ok := value.([]any); ok && s.Items != nil {
		for i, item := range list {
			bad = append(bad, v.check(s.Items, item, fmt.Sprintf("%s[%d]", at, i))...)
		}
	}
	if object, ok := value.(map[string]any); ok {
		bad = append(bad, v.members(s, object, at)...)
	}
	return append(bad, v.combined(s, value, at)...)
}

// simple checks the keywords that need no other schema.
func (s *node) simple(value any) []string {
	var bad []string
	check := func(ok bool, format string, args ...any) {
		if !ok {
			bad = append(bad, fmt.Sprintf(format, args...))
		}
	}
	check(s.Type == "" || s.Type == typeOf(value), "%v is no %s", value, s.Type)
	check(s.Const == nil || reflect.DeepEqual(value, s.Const), "%v is not %v", value, s.Const)
	check(s.Enum == nil || slices.Contains(s.Enum, value), "%v is not one of %v", value, s.Enum)
	switch value := value.(type) {
	case string:
		check(regexp.MustCompile(s.Pattern).MatchString(value), "%q does not match %s", value, s.Pattern)
		check(utf8.RuneCountInString(value) >= s.MinLength, "%q is too short", value)
	case float64:
		check(s.Minimum == nil || value >= *s.Minimum, "%v is below the minimum", value)
		check(s.Maximum == nil || value <= *s.Maximum, "%v is above the maximum", value)
	case []any:
		check(len(value) >= s.MinItems, "too few items")
	case map[string]any:
		check(s.MaxProperties == nil || len(value) <= *s.MaxProperties, "too many keys")
		for _, name := range s.Required {
			_, ok := value[name]
			check(ok, "%s is missing", name)
		}
	}
	return bad
}

func typeOf(value any) string {
	switch v := value.(type) {
	case bool:
		return "boolean"
	case string:
		return "string"
	case float64:
		if v == math.Trunc(v) {
			return "integer"
		}
		return "number"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return "null"
}

// members checks the values of an object.
func (v validator) members(s *node, object map[string]any, at string) []string {
	v.t.Helper()
	closed := string(s.Additional) == "false"
	rest := &node{}
	if len(s.Additional) > 0 && !closed {
		if err := json.Unmarshal(s.Additional, rest); err != nil {
			v.t.Fatal(err)
		}
	}
	var bad []string
	for _, key := range slices.Sorted(maps.Keys(object)) {
		inner := at + "." + key
		switch known, ok := s.Properties[key]; {
		case ok:
			bad = append(bad, v.check(known, object[key], inner)...)
		case closed:
			bad = append(bad, inner+": unknown key")
		default:
			bad = append(bad, v.check(rest, object[key], inner)...)
		}
	}
	return bad
}

// combined checks a value against the schemas of allOf, anyOf, oneOf and if.
func (v validator) combined(s *node, value any, at string) []string {
	v.t.Helper()
	bad, _ := v.each(s.AllOf, value, at)
	if why, fits := v.each(s.AnyOf, value, at); len(s.AnyOf) > 0 && fits == 0 {
		bad = append(bad, at+": none of the alternatives fits")
		bad = append(bad, why...)
	}
	if _, fits := v.each(s.OneOf, value, at); len(s.OneOf) > 0 && fits != 1 {
		bad = append(bad, fmt.Sprintf("%s: %d of the alternatives fit, want one", at, fits))
	}
	if s.If != nil && len(v.check(s.If, value, at)) == 0 {
		bad = append(bad, v.check(s.Then, value, at)...)
	}
	return bad
}

// each returns what is wrong with a value by any of the schemas, and how many of
// them it fits.
func (v validator) each(list []*node, value any, at string) (bad []string, fits int) {
	v.t.Helper()
	for _, s := range list {
		errors := v.check(s, value, at)
		if len(errors) == 0 {
			fits++
		}
		bad = append(bad, errors...)
	}
	return bad, fits
}
