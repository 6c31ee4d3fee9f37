package cond

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Op is the name of an operator, as it is written in a condition.
type Op string

// Operators.
const (
	OpEqual    Op = "=="
	OpContains Op = "contains"
	OpHas      Op = "has"
	OpIs       Op = "is"
)

// subject is what an operator is applied to: the whole payload, or the part of
// a json payload that a path leads to.
type subject struct {
	text string // what text operators see
	tree any    // json only
	kind Kind   // of the whole payload; JSON for a part
	part bool   // a path led here
}

// Operator is one row of the operator table.
type Operator struct {
	Op  Op
	Doc string

	// Kinds lists the kinds of payload that the operator can test as a whole.
	// Behind a path everything is JSON.
	Kinds []Kind

	// CheckLiteral reports why lit cannot stand at the operator's right side.
	CheckLiteral func(lit any) error

	eval func(s subject, lit any) bool
}

// Operators lists every operator. The parser, the checker, the engine and the
// documentation read it; a new operator is a new row.
var Operators = []Operator{
	{
		Op:           OpEqual,
		Doc:          "the whole payload has this text (JSON: canonical, keys sorted, no spaces); behind a path: the JSON value is the same, type and spelling of numbers included",
		Kinds:        []Kind{JSON, String, Bytes},
		CheckLiteral: anyLiteral,
		eval:         equal,
	},
	{
		Op:           OpContains,
		Doc:          "the text of the payload contains this substring",
		Kinds:        []Kind{JSON, String, Bytes},
		CheckLiteral: stringLiteral,
		eval: func(s subject, lit any) bool {
			want, ok := lit.(string)
			return ok && strings.Contains(s.text, want)
		},
	},
	{
		Op:           OpHas,
		Doc:          "the JSON array has an element that the literal is a subset of",
		Kinds:        []Kind{JSON},
		CheckLiteral: anyLiteral,
		eval: func(s subject, lit any) bool {
			list, ok := s.tree.([]any)
			return ok && anyMatches(lit, list)
		},
	},
	{
		Op:           OpIs,
		Doc:          "the payload, or the JSON value behind the path, has this type",
		Kinds:        []Kind{JSON, String, Bytes, None},
		CheckLiteral: typeLiteral,
		eval: func(s subject, lit any) bool {
			want, ok := lit.(string)
			return ok && hasType(s, want)
		},
	},
}

// LookupOperator returns the row of op.
func LookupOperator(op Op) (Operator, bool) {
	for _, o := range Operators {
		if o.Op == op {
			return o, true
		}
	}
	return Operator{}, false
}

// typeNames are the literals of the operator "is".
var typeNames = []string{"json", "string", "bytes", "none", "null", "number", "bool", "array", "object"}

func anyLiteral(any) error { return nil }

func stringLiteral(lit any) error {
	if _, ok := lit.(string); !ok {
		return fmt.Errorf("want a string, got %s", describe(lit))
	}
	return nil
}

func typeLiteral(lit any) error {
	if name, ok := lit.(string); ok && slices.Contains(typeNames, name) {
		return nil
	}
	return fmt.Errorf("want one of %s, got %s", strings.Join(typeNames, ", "), describe(lit))
}

func describe(lit any) string {
	text, err := Canonical(lit)
	if err != nil {
		return fmt.Sprintf("%T", lit)
	}
	return text
}

func equal(s subject, lit any) bool {
	if want, ok := lit.(string); ok && !s.part {
		return s.text == want
	}
	if s.kind != JSON {
		return false
	}
	got, err := Canonical(s.tree)
	if err != nil {
		return false
	}
	want, err := Canonical(lit)
	return err == nil && got == want
}

func hasType(s subject, want string) bool {
	if !s.part {
		if k, ok := ParseKind(want); ok {
			return s.kind == k
		}
	}
	if s.kind != JSON {
		return false
	}
	switch s.tree.(type) {
	case nil:
		return want == "null"
	case bool:
		return want == "bool"
	case json.Number:
		return want == "number"
	case string:
		return want == "string"
	case []any:
		return want == "array"
	case map[string]any:
		return want == "object"
	}
	return false
}

// Subset reports whether filter is a subset of value: objects by key,
// recursively; every element of a filter array is a subset of some element of
// the value array; scalars are the same, type and spelling of numbers included.
func Subset(filter, value any) bool {
	switch f := filter.(type) {
	case map[string]any:
		v, ok := value.(map[string]any)
		if !ok {
			return false
		}
		for key, want := range f {
			got, ok := v[key]
			if !ok || !Subset(want, got) {
				return false
			}
		}
		return true
	case []any:
		v, ok := value.([]any)
		if !ok {
			return false
		}
		for _, want := range f {
			if !anyMatches(want, v) {
				return false
			}
		}
		return true
	}
	switch value.(type) {
	case map[string]any, []any:
		return false
	}
	return filter == value
}

func anyMatches(filter any, list []any) bool {
	for _, v := range list {
		if Subset(filter, v) {
			return true
		}
	}
	return false
}
