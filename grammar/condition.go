package grammar

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"

	"github.com/rind-sockets/rind/plan/cond"
)

// Limits of conditions: the length in bytes, and how deep brackets and "not"
// nest. participle overflows the stack on a megabyte of brackets.
const (
	MaxCondition      = 8 << 10
	maxConditionDepth = 64
)

// Extent is a range of bytes of the parsed text, To excluded.
type Extent struct{ From, To int }

// Condition is a condition as written: the shape of a [cond.Expr], with names
// that are still to be resolved. Exactly one field is set.
type Condition struct {
	And, Or []Condition
	Not     *Condition
	Atom    *ConditionAtom
}

// ConditionAtom is a state or signal, and what its payload has to be.
type ConditionAtom struct {
	Kind  cond.AtomKind // 0: the text does not say which
	Name  string        // an address as written
	At    Extent        // of the name
	Guard *ConditionGuard
}

// ConditionGuard is a [cond.Guard] whose predicates know their places. Exactly
// one field is set.
type ConditionGuard struct {
	And, Or []ConditionGuard
	Not     *ConditionGuard
	Pred    *ConditionPred
}

// ConditionPred is a predicate. Its literal is JSON data that has not been
// checked; of a path alone the operator is [cond.OpExists].
type ConditionPred struct {
	cond.Pred
	At, Operator, Literal Extent // the last two are empty for a path alone
	Key                   Extent // of the first key of the path as written, empty without a path
}

type (
	orTree struct {
		Terms []*andTree `parser:"@@ ( 'or' @@ )*"`
	}
	andTree struct {
		Terms []*notTree `parser:"@@ ( 'and' @@ )*"`
	}
	notTree struct {
		Not     *notTree     `parser:"  'not' @@"`
		Primary *primaryTree `parser:"| @@"`
	}
	primaryTree struct {
		Inner *orTree   `parser:"  '(' @@ ')'"`
		Call  *callTree `parser:"| @@"`
		Atom  *atomTree `parser:"| @@"`
	}
	callTree struct {
		Name string    `parser:"@( 'all' | 'any' )"`
		Args []*orTree `parser:"'(' @@ ( ',' @@ )* ')'"`
	}
	atomTree struct {
		Kind  string     `parser:"( @( 'state' | 'signal' )"`
		Named *nameTree  `parser:"  @@"`
		Bare  *bareTree  `parser:"| @@ )"`
		Guard *guardTree `parser:"( '(' @@ ')' )?"`
	}
	nameTree struct {
		Pos  lexer.Position
		Text string `parser:"@( Address | Word | Keyword | Operator )"`
	}
	bareTree struct {
		Pos  lexer.Position
		Text string `parser:"@( Address | Word | Operator )"`
	}
	guardTree struct {
		Terms []*guardAndTree `parser:"@@ ( 'or' @@ )*"`
	}
	guardAndTree struct {
		Terms []*guardNotTree `parser:"@@ ( ( 'and' | ',' ) @@ )*"`
	}
	guardNotTree struct {
		Not   *guardNotTree `parser:"  'not' @@"`
		Inner *guardTree    `parser:"| '(' @@ ')'"`
		Pred  *predTree     `parser:"| @@"`
	}
	predTree struct {
		Pos     lexer.Position
		Root    string         `parser:"@( 'target' | 'branch' )"`
		Path    []*segmentTree `parser:"@@*"`
		Op      *operatorTree  `parser:"( @@"`
		Literal *literalTree   `parser:"  @@ )?"`
		EndPos  lexer.Position
	}
	segmentTree struct {
		Pos   lexer.Position
		Key   string `parser:"  '/' @( Word | Keyword | Operator | String )"`
		Index string `parser:"| '[' @Word ']'"`
	}
	operatorTree struct {
		Pos  lexer.Position
		Text string `parser:"@( Operator | Sign )"`
	}
	literalTree struct {
		Pos    lexer.Position
		Word   string     `parser:"  @( Word | Keyword | Operator )"`
		String string     `parser:"| @String"`
		List   *listTree  `parser:"| @@"`
		Table  *tableTree `parser:"| @@"`
		EndPos lexer.Position
	}
	listTree struct {
		Items []*literalTree `parser:"'[' ( @@ ( ',' @@ )* )? ']'"`
	}
	tableTree struct {
		Pairs []*pairTree `parser:"'{' ( @@ ( ',' @@ )* )? '}'"`
	}
	pairTree struct {
		Pos   lexer.Position
		Key   string       `parser:"@( Word | Keyword | Operator | String )"`
		Value *literalTree `parser:"( ':' | '=' ) @@"`
	}
)

var conditionParser = lazily[orTree](
	participle.Lexer(define(func() scanFunc { return scanCondition }, conditionTokens...)),
	participle.Elide("Space"),
	participle.UseLookahead(0), // one token decides everywhere; with more, errors are reported where a rule begins
)

// Token types of conditions, in the order of conditionTokens.
const (
	condSpace = iota
	condAddress
	condWord
	condKeyword
	condOperator
	condSign
	condString
	condPunct
	condStrange
)

var conditionTokens = []string{"Space", "Address", "Word", "Keyword", "Operator", "Sign", "String", "Punct", "Strange"}

// conditionKeywords cannot be a bare name; "state not" is one, and so is a name
// that is the whole condition.
var conditionKeywords = []string{"and", "or", "not", "all", "any", "state", "signal"}

func scanCondition(rest string) (lexer.TokenType, int) {
	kind, n := nextConditionToken(rest)
	return tokenType(kind), n
}

func nextConditionToken(rest string) (kind, n int) {
	const space = " \t\r\n"
	switch c := rest[0]; c {
	case ' ', '\t', '\r', '\n':
		return condSpace, len(rest) - len(strings.TrimLeft(rest, space))
	case '"', '\'':
		return conditionString(rest)
	case '=', '!', '<', '>':
		if len(rest) > 1 && rest[1] == '=' {
			return condSign, 2
		}
		if c == '<' || c == '>' {
			return condSign, 1
		}
		if c == '=' {
			return condPunct, 1
		}
	case '(', ')', '[', ']', '{', '}', ',', ':', '/', '@':
		return condPunct, 1
	}
	if n := segmentLen(rest); n > 0 {
		return conditionWord(rest, n)
	}
	return condStrange, runeLen(rest)
}

// conditionString scans a string: in double quotes with the escapes of JSON, in
// single ones without any.
func conditionString(rest string) (kind, n int) {
	for i := 1; i < len(rest); i++ {
		switch {
		case rest[i] == rest[0]:
			return condString, i + 1
		case rest[i] == '\\' && rest[0] == '"':
			i++
		}
	}
	return condStrange, len(rest)
}

// conditionWord scans what starts with n bytes that names have: an address, a
// number with a positive exponent, or a word.
func conditionWord(rest string, n int) (kind, size int) {
	at := n
	for at < len(rest) && rest[at] == '/' {
		more := segmentLen(rest[at+1:])
		if more == 0 {
			break
		}
		at += 1 + more
	}
	if at < len(rest) && rest[at] == '@' {
		if name := segmentLen(rest[at+1:]); name > 0 {
			return condAddress, at + 1 + name
		}
	}
	word := rest[:n]
	if strings.HasPrefix(rest[n:], "+") && exponent().MatchString(word) {
		return condWord, n + 1 + segmentLen(rest[n+1:])
	}
	switch op, known := cond.LookupOperator(cond.Op(word)); {
	case slices.Contains(conditionKeywords, word):
		return condKeyword, n
	case known && op.Op != cond.OpExists:
		return condOperator, n
	}
	return condWord, n
}

// number is a JSON number, and exponent how one begins that goes on with a plus.
var (
	number   = pattern(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)
	exponent = pattern(`^-?[0-9][0-9.]*[eE]$`)
)

// ParseCondition parses a condition of the condition language (SPEC §4.3). It
// does not know what its names are, nor which operator goes with which payload.
func ParseCondition(s string) (*Condition, *Error) {
	if len(s) > MaxCondition {
		return nil, errorAt(0, len(s), "split it: a list of conditions, and `all`, `any` and `not` as tables, have no such limit",
			"a condition of %d bytes is too long, at most %d are allowed", len(s), MaxCondition)
	}
	tree, plain := acceptCondition(s)
	if !plain {
		if bad := checkBrackets(s); bad != nil {
			return nil, bad
		}
		var err error
		if tree, err = conditionParser().ParseString("", s); err != nil {
			return nil, explainCondition(s, offsetOf(err))
		}
	}
	r := conditionReader{text: s}
	c := r.or(tree, 0)
	if r.bad != nil {
		return nil, r.bad
	}
	return &c, nil
}

// conditionReader turns the tree of the parser into a Condition, and keeps the
// first thing that is wrong although the grammar takes it.
type conditionReader struct {
	text string
	bad  *Error
}

func (r *conditionReader) fail(e *Error) {
	if r.bad == nil {
		r.bad = e
	}
}

// deeper reports whether there is room for one more level.
func (r *conditionReader) deeper(depth int) bool {
	if depth <= maxConditionDepth {
		return true
	}
	r.fail(errorAt(0, len(r.text), "split it into several conditions", "a condition nests more than %d levels deep", maxConditionDepth))
	return false
}

func (r *conditionReader) or(t *orTree, depth int) Condition {
	terms := each(t.Terms, func(t *andTree) Condition {
		terms := each(t.Terms, func(t *notTree) Condition { return r.not(t, depth) })
		if len(terms) == 1 {
			return terms[0]
		}
		return Condition{And: terms}
	})
	if len(terms) == 1 {
		return terms[0]
	}
	return Condition{Or: terms}
}

func (r *conditionReader) not(t *notTree, depth int) Condition {
	switch {
	case !r.deeper(depth):
		return Condition{}
	case t.Not != nil:
		x := r.not(t.Not, depth+1)
		return Condition{Not: &x}
	case t.Primary.Inner != nil:
		return r.or(t.Primary.Inner, depth+1)
	case t.Primary.Call != nil:
		args := each(t.Primary.Call.Args, func(t *orTree) Condition { return r.or(t, depth+1) })
		if t.Primary.Call.Name == "all" {
			return Condition{And: args}
		}
		return Condition{Or: args}
	}
	return Condition{Atom: r.atom(t.Primary.Atom)}
}

func (r *conditionReader) atom(t *atomTree) *ConditionAtom {
	a := &ConditionAtom{}
	name := (*nameTree)(t.Bare)
	switch t.Kind {
	case "state":
		a.Kind, name = cond.State, t.Named
	case "signal":
		a.Kind, name = cond.Signal, t.Named
	}
	a.Name = name.Text
	a.At = Extent{name.Pos.Offset, name.Pos.Offset + len(a.Name)}
	if t.Guard != nil {
		g := r.guard(t.Guard, 0)
		a.Guard = &g
	}
	return a
}

func (r *conditionReader) guard(t *guardTree, depth int) ConditionGuard {
	terms := each(t.Terms, func(t *guardAndTree) ConditionGuard {
		terms := each(t.Terms, func(t *guardNotTree) ConditionGuard { return r.guardNot(t, depth) })
		if len(terms) == 1 {
			return terms[0]
		}
		return ConditionGuard{And: terms}
	})
	if len(terms) == 1 {
		return terms[0]
	}
	return ConditionGuard{Or: terms}
}

func (r *conditionReader) guardNot(t *guardNotTree, depth int) ConditionGuard {
	switch {
	case !r.deeper(depth):
		return ConditionGuard{}
	case t.Not != nil:
		x := r.guardNot(t.Not, depth+1)
		return ConditionGuard{Not: &x}
	case t.Inner != nil:
		return r.guard(t.Inner, depth+1)
	}
	return ConditionGuard{Pred: r.pred(t.Pred)}
}

func (r *conditionReader) pred(t *predTree) *ConditionPred {
	p := &ConditionPred{At: Extent{t.Pos.Offset, t.EndPos.Offset}}
	p.Root, p.Op = cond.Target, cond.OpExists
	if t.Root == "branch" {
		p.Root = cond.Branch
	}
	for i, segment := range t.Path {
		p.Path = append(p.Path, r.segment(segment))
		if i == 0 {
			key := segment.Key + segment.Index
			from := segment.Pos.Offset + 1
			from += strings.Index(r.text[from:], key) // behind spaces
			p.Key = Extent{from, from + len(key)}
		}
	}
	if t.Op == nil {
		return p
	}
	p.Op = cond.Op(t.Op.Text)
	p.Operator = Extent{t.Op.Pos.Offset, t.Op.Pos.Offset + len(t.Op.Text)}
	p.Literal = Extent{t.Literal.Pos.Offset, t.Literal.EndPos.Offset}
	switch {
	case p.Op == cond.OpIs && slices.Contains(cond.TypeNames, t.Literal.Word):
		p.Lit = t.Literal.Word
	case p.Op == cond.OpIs && t.Literal.Word != "":
		r.fail(unknownType(t.Literal.Word, t.Pos.Offset+strings.LastIndex(r.text[t.Pos.Offset:t.Literal.EndPos.Offset], t.Literal.Word)))
	default:
		p.Lit = r.literal(t.Literal)
	}
	return p
}

func (r *conditionReader) segment(t *segmentTree) string {
	if t.Index == "" {
		return r.key(t.Key, t.Pos.Offset+1)
	}
	if strings.Trim(t.Index, "0123456789") != "" {
		r.fail(errorAt(t.Pos.Offset+1, t.Pos.Offset+1+len(t.Index), "write an index from 0 on, or a key behind a `/`", "%q is no index", t.Index))
	}
	return t.Index
}

// key returns a key that is written as a word or a string, at an offset.
func (r *conditionReader) key(s string, at int) string {
	if s == "" || s[0] != '"' && s[0] != '\'' {
		return s
	}
	return r.unquote(s, at+strings.Index(r.text[at:], s))
}

func (r *conditionReader) literal(t *literalTree) any {
	switch {
	case t.String != "":
		return r.unquote(t.String, t.Pos.Offset)
	case t.List != nil:
		list := make([]any, len(t.List.Items))
		for i, item := range t.List.Items {
			list[i] = r.literal(item)
		}
		return list
	case t.Table != nil:
		table := make(map[string]any, len(t.Table.Pairs))
		for _, pair := range t.Table.Pairs {
			key := r.key(pair.Key, pair.Pos.Offset)
			if _, twice := table[key]; twice {
				r.fail(errorAt(pair.Pos.Offset, pair.Pos.Offset+len(pair.Key), "remove one of them", "the key %q is there twice", key))
			}
			table[key] = r.literal(pair.Value)
		}
		return table
	}
	switch t.Word {
	case "true":
		return true
	case "false":
		return false
	case "null":
		return nil
	}
	if !number().MatchString(t.Word) {
		r.fail(noValue(t.Word, t.Pos.Offset))
	}
	return json.Number(t.Word)
}

func (r *conditionReader) unquote(quoted string, at int) string {
	if quoted[0] == '\'' {
		return quoted[1 : len(quoted)-1]
	}
	var s string
	if err := json.Unmarshal([]byte(quoted), &s); err != nil {
		from, to := badEscape(quoted)
		r.fail(errorAt(at+from, at+to, "write a backslash as `\\\\`, or use single quotes: nothing is an escape in them",
			"the string has an escape or a character that JSON does not know"))
	}
	return s
}

func each[T, U any](list []T, f func(T) U) []U {
	out := make([]U, len(list))
	for i, x := range list {
		out[i] = f(x)
	}
	return out
}
