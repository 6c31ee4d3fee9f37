package cond

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Op is the name of an operator, as it is written in a condition.
type Op string

// Operators.
const (
	OpEqual      Op = "=="
	OpNotEqual   Op = "!="
	OpLess       Op = "<"
	OpAtMost     Op = "<="
	OpMore       Op = ">"
	OpAtLeast    Op = ">="
	OpContains   Op = "contains"
	OpMatches    Op = "matches"
	OpStartsWith Op = "startswith"
	OpEndsWith   Op = "endswith"
	OpHas        Op = "has"
	OpIn         Op = "in"
	OpIs         Op = "is"
	OpExists     Op = "exists" // written as a path alone
)

// subject is what an operator is applied to: the whole payload, or the part of
// a json payload that a path leads to.
type subject struct {
	value string // what text operators see, unless tree has it
	tree  any    // json only
	kind  Kind   // of the whole payload; JSON for a part
	part  bool   // a path led here, to tree
}

// text returns what text operators see. It is made only for those that look: the
// text of a part is its canonical JSON, or the string itself.
func (s subject) text() string {
	if !s.part {
		return s.value
	}
	if str, ok := s.tree.(string); ok {
		return str
	}
	text, err := Canonical(s.tree)
	if err != nil {
		return "" // cannot be: the tree has been JSON
	}
	return text
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

	// sameKind says that the literal is compared with the payload as a whole, so
	// that it has to be text when the payload is.
	sameKind bool

	eval func(s subject, p *Pred) bool
}

var (
	allKinds  = []Kind{JSON, String, Bytes, None}
	textKinds = []Kind{JSON, String, Bytes}
	jsonKinds = []Kind{JSON}
)

// Operators lists every operator. The parser, the checker, the engine and the
// documentation read it; a new operator is a new row.
var Operators = []Operator{
	{
		Op: OpEqual, Kinds: textKinds, CheckLiteral: anyLiteral, sameKind: true,
		Doc:  "the whole payload has this text (JSON: canonical, keys sorted, no spaces); behind a path, or with anything but a string: the JSON value is the same, type and spelling of numbers included",
		eval: func(s subject, p *Pred) bool { return equal(s, p.Lit) },
	},
	{
		Op: OpNotEqual, Kinds: textKinds, CheckLiteral: anyLiteral, sameKind: true,
		Doc:  "there is a value, and it is not `==` to the literal",
		eval: func(s subject, p *Pred) bool { return !equal(s, p.Lit) },
	},
	{
		Op: OpLess, Kinds: jsonKinds, CheckLiteral: numberLiteral,
		Doc:  "the JSON number is smaller, whatever the spelling",
		eval: func(s subject, p *Pred) bool { return ordered(s, p.Lit, func(c int) bool { return c < 0 }) },
	},
	{
		Op: OpAtMost, Kinds: jsonKinds, CheckLiteral: numberLiteral,
		Doc:  "the JSON number is smaller or equal, whatever the spelling",
		eval: func(s subject, p *Pred) bool { return ordered(s, p.Lit, func(c int) bool { return c <= 0 }) },
	},
	{
		Op: OpMore, Kinds: jsonKinds, CheckLiteral: numberLiteral,
		Doc:  "the JSON number is larger, whatever the spelling",
		eval: func(s subject, p *Pred) bool { return ordered(s, p.Lit, func(c int) bool { return c > 0 }) },
	},
	{
		Op: OpAtLeast, Kinds: jsonKinds, CheckLiteral: numberLiteral,
		Doc:  "the JSON number is larger or equal, whatever the spelling",
		eval: func(s subject, p *Pred) bool { return ordered(s, p.Lit, func(c int) bool { return c >= 0 }) },
	},
	{
		Op: OpContains, Kinds: textKinds, CheckLiteral: stringLiteral,
		Doc:  "the text contains this substring",
		eval: func(s subject, p *Pred) bool { return onText(s, p.Lit, strings.Contains) },
	},
	{
		Op: OpMatches, Kinds: textKinds, CheckLiteral: patternLiteral,
		Doc:  "the regular expression (RE2) matches somewhere in the text; `^` and `$` tie it to the ends",
		eval: matches,
	},
	{
		Op: OpStartsWith, Kinds: textKinds, CheckLiteral: stringLiteral,
		Doc:  "the text starts with this",
		eval: func(s subject, p *Pred) bool { return onText(s, p.Lit, strings.HasPrefix) },
	},
	{
		Op: OpEndsWith, Kinds: textKinds, CheckLiteral: stringLiteral,
		Doc:  "the text ends with this",
		eval: func(s subject, p *Pred) bool { return onText(s, p.Lit, strings.HasSuffix) },
	},
	{
		Op: OpHas, Kinds: jsonKinds, CheckLiteral: anyLiteral,
		Doc: "the JSON array has an element that the literal is a subset of",
		eval: func(s subject, p *Pred) bool {
			list, ok := s.tree.([]any)
			return ok && anyMatches(p.Lit, list)
		},
	},
	{
		Op: OpIn, Kinds: textKinds, CheckLiteral: listLiteral, sameKind: true,
		Doc:  "it is `==` to one element of the list",
		eval: in,
	},
	{
		Op: OpIs, Kinds: allKinds, CheckLiteral: typeLiteral,
		Doc: "the payload, or the JSON value behind the path, has this type",
		eval: func(s subject, p *Pred) bool {
			want, ok := p.Lit.(string)
			return ok && hasType(s, want)
		},
	},
	{
		Op: OpExists, Kinds: allKinds, CheckLiteral: noLiteral,
		Doc:  "there is a value; `null` is one",
		eval: func(subject, *Pred) bool { return true },
	},
}

// Check reports why the operator cannot test a payload of kind k against lit:
// as a whole, or what is behind a path in it.
func (o Operator) Check(k Kind, path bool, lit any) error {
	switch {
	case path && k != JSON:
		return fmt.Errorf("a path leads into a payload of kind %v, want json", k)
	case !path && !slices.Contains(o.Kinds, k):
		return fmt.Errorf("operator %s cannot test a payload of kind %v", o.Op, k)
	}
	if err := o.CheckLiteral(lit); err != nil {
		return fmt.Errorf("operator %s: %w", o.Op, err)
	}
	if !o.sameKind || path || k == JSON {
		return nil
	}
	list, ok := lit.([]any)
	if o.Op != OpIn || !ok {
		list = []any{lit}
	}
	for _, item := range list {
		if err := stringLiteral(item); err != nil {
			return fmt.Errorf("operator %s on a payload of kind %v: %w", o.Op, k, err)
		}
	}
	return nil
}

// LookupOperator returns the row of op.
func LookupOperator(op Op) (Operator, bool) {
	if o := operator(op); o != nil {
		return *o, true
	}
	return Operator{}, false
}

func operator(op Op) *Operator {
	for i := range Operators {
		if Operators[i].Op == op {
			return &Operators[i]
		}
	}
	return nil
}

// TypeNames are the literals of the operator "is".
var TypeNames = []string{"json", "string", "bytes", "none", "null", "number", "bool", "array", "object"}

func anyLiteral(any) error { return nil }

func stringLiteral(lit any) error {
	if _, ok := lit.(string); !ok {
		return fmt.Errorf("want a string, got %s", describe(lit))
	}
	return nil
}

func numberLiteral(lit any) error {
	if _, ok := lit.(json.Number); !ok {
		return fmt.Errorf("want a number, got %s", describe(lit))
	}
	return nil
}

func listLiteral(lit any) error {
	if list, ok := lit.([]any); !ok || len(list) == 0 {
		return fmt.Errorf("want a list with something in it, got %s", describe(lit))
	}
	return nil
}

func noLiteral(lit any) error {
	if lit != nil {
		return fmt.Errorf("want nothing, got %s", describe(lit))
	}
	return nil
}

// maxPattern bounds the regular expressions of conditions in bytes. RE2 takes
// time that is linear in the pattern and the text.
const maxPattern = 1024

func patternLiteral(lit any) error {
	if err := stringLiteral(lit); err != nil {
		return err
	}
	text, _ := lit.(string)
	if len(text) > maxPattern {
		return fmt.Errorf("a pattern has at most %d bytes, got %d", maxPattern, len(text))
	}
	if _, err := regexp.Compile(text); err != nil {
		return fmt.Errorf("the pattern is not RE2: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return nil
}

func typeLiteral(lit any) error {
	if name, ok := lit.(string); ok && slices.Contains(TypeNames, name) {
		return nil
	}
	return fmt.Errorf("want one of %s, got %s", strings.Join(TypeNames, ", "), describe(lit))
}

func describe(lit any) string {
	text, err := Canonical(lit)
	if err != nil {
		return fmt.Sprintf("%T", lit)
	}
	return text
}

func onText(s subject, lit any, test func(text, lit string) bool) bool {
	want, ok := lit.(string)
	return ok && test(s.text(), want)
}

// matches uses the pattern that was compiled with the predicate, if it was.
func matches(s subject, p *Pred) bool {
	if p.pattern != nil {
		return p.pattern.MatchString(s.text())
	}
	text, ok := p.Lit.(string)
	if !ok {
		return false
	}
	pattern, err := regexp.Compile(text)
	return err == nil && pattern.MatchString(s.text())
}

func in(s subject, p *Pred) bool {
	list, ok := p.Lit.([]any)
	return ok && slices.ContainsFunc(list, func(lit any) bool { return equal(s, lit) })
}

func equal(s subject, lit any) bool {
	if want, ok := lit.(string); ok && !s.part {
		return s.value == want
	}
	return s.kind == JSON && same(s.tree, lit)
}

// same reports whether two JSON values are the same: their canonical texts are.
func same(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, same)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, same)
	}
	switch b.(type) {
	case map[string]any, []any:
		return false
	}
	return a == b
}

// ordered reports whether the comparison of two numbers comes out as accepted.
func ordered(s subject, lit any, accept func(int) bool) bool {
	a, ok := s.tree.(json.Number)
	b, number := lit.(json.Number)
	return ok && number && accept(compareNumbers(string(a), string(b)))
}

func hasType(s subject, want string) bool {
	if k, ok := ParseKind(want); ok && !s.part && (s.kind != JSON || k == JSON) {
		return s.kind == k
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
