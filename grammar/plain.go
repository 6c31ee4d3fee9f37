package grammar

import (
	"slices"
	"strings"

	"github.com/alecthomas/participle/v2/lexer"
)

// The functions of this file do for what is plain and correct what the grammars
// do, and many times as fast: a large plan has tens of thousands of each. They
// make the trees that the parsers would make, and leave everything else to them,
// above all what is wrong. FuzzPlain proves that the two agree.

// acceptInet parses an inet endpoint.
func acceptInet(s string) (t inetTree, ok bool) {
	var rest string
	switch {
	case strings.HasPrefix(s, "["):
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return t, false
		}
		t.Address, rest = s[:end+1], s[end+1:]
	case strings.HasPrefix(s, "*"):
		t.Star, rest = true, s[1:]
	default:
		n := segmentLen(s)
		t.Host, rest = s[:n], s[n:]
	}
	port, found := strings.CutPrefix(rest, ":")
	t.Port = port
	return t, found && isSegment(port)
}

// acceptUnix parses an absolute path that means something with every segment.
func acceptUnix(s string) (t unixTree, ok bool) {
	path, absolute := strings.CutPrefix(s, "/")
	if !absolute {
		return t, false
	}
	t.Root = true
	t.First, path, ok = strings.Cut(path, "/")
	if t.First == "" {
		return t, false
	}
	for ok {
		var segment string
		if segment, path, ok = strings.Cut(path, "/"); segment == "" {
			return t, false
		}
		t.More = append(t.More, segment)
	}
	return t, true
}

// acceptCondition parses a condition without indices, whose literals are strings
// and words.
func acceptCondition(s string) (*orTree, bool) {
	r := plainReader{text: s}
	r.next()
	t := r.or()
	return t, !r.bad && r.kind == noToken
}

// noToken is the kind of the token behind the last one.
const noToken = -1

// plainReader reads a condition token by token, by recursive descent. It is bad
// as soon as it meets what it does not know, and its trees are worth nothing then.
type plainReader struct {
	text     string
	kind     int // of the token that is next
	from, to int // where that is
	end      int // of the token before
	depth    int // of what is being read
	bad      bool
}

// deeper reads something inside of something else, unless that is too deep for a
// reader that calls itself.
func deeper[T any](r *plainReader, read func(*plainReader) *T) *T {
	if r.depth == maxConditionDepth {
		r.bad = true
		return nil
	}
	r.depth++
	defer func() { r.depth-- }()
	return read(r)
}

func (r *plainReader) next() {
	r.end = r.to
	for r.to < len(r.text) {
		var n int
		r.kind, n = nextConditionToken(r.text[r.to:])
		r.from = r.to
		r.to += n
		if r.kind != condSpace {
			return
		}
	}
	r.kind, r.from = noToken, r.to
}

func (r *plainReader) token() string       { return r.text[r.from:r.to] }
func (r *plainReader) at() lexer.Position  { return lexer.Position{Offset: r.from} }
func (r *plainReader) was() lexer.Position { return lexer.Position{Offset: r.end} }

// skip takes the next token if it is that text.
func (r *plainReader) skip(text string) bool {
	if r.kind == noToken || r.token() != text {
		return false
	}
	r.next()
	return true
}

// take takes the next token, which has to be of one of the kinds.
func (r *plainReader) take(kinds ...int) string {
	if !slices.Contains(kinds, r.kind) {
		r.bad = true
		return ""
	}
	s := r.token()
	r.next()
	return s
}

func (r *plainReader) or() *orTree {
	t := &orTree{Terms: []*andTree{r.and()}}
	for !r.bad && r.skip("or") {
		t.Terms = append(t.Terms, r.and())
	}
	return t
}

func (r *plainReader) and() *andTree {
	t := &andTree{Terms: []*notTree{r.not()}}
	for r.skip("and") {
		t.Terms = append(t.Terms, r.not())
	}
	return t
}

func (r *plainReader) not() *notTree {
	if r.skip("not") {
		return &notTree{Not: deeper(r, (*plainReader).not)}
	}
	return &notTree{Primary: r.primary()}
}

func (r *plainReader) primary() *primaryTree {
	t := &primaryTree{}
	switch {
	case r.skip("("):
		t.Inner = deeper(r, (*plainReader).or)
		r.bad = r.bad || !r.skip(")")
	case r.kind == condKeyword && (r.token() == "all" || r.token() == "any"):
		t.Call = r.call()
	default:
		t.Atom = r.atom()
	}
	return t
}

func (r *plainReader) call() *callTree {
	t := &callTree{Name: r.take(condKeyword)}
	if !r.skip("(") {
		r.bad = true
		return t
	}
	for {
		t.Args = append(t.Args, deeper(r, (*plainReader).or))
		if r.bad || !r.skip(",") {
			break
		}
	}
	r.bad = r.bad || !r.skip(")")
	return t
}

func (r *plainReader) atom() *atomTree {
	t := &atomTree{}
	if r.kind == condKeyword && (r.token() == "state" || r.token() == "signal") {
		t.Kind = r.take(condKeyword)
		t.Named = &nameTree{Pos: r.at(), Text: r.take(condAddress, condWord, condKeyword, condOperator)}
	} else {
		t.Bare = &bareTree{Pos: r.at(), Text: r.take(condAddress, condWord, condOperator)}
	}
	if r.bad || !r.skip("(") {
		return t
	}
	t.Guard = r.guard()
	r.bad = r.bad || !r.skip(")")
	return t
}

func (r *plainReader) guard() *guardTree {
	t := &guardTree{Terms: []*guardAndTree{r.guardAnd()}}
	for r.skip("or") {
		t.Terms = append(t.Terms, r.guardAnd())
	}
	return t
}

func (r *plainReader) guardAnd() *guardAndTree {
	t := &guardAndTree{Terms: []*guardNotTree{r.guardNot()}}
	for r.skip("and") || r.skip(",") {
		t.Terms = append(t.Terms, r.guardNot())
	}
	return t
}

func (r *plainReader) guardNot() *guardNotTree {
	if r.skip("not") {
		return &guardNotTree{Not: deeper(r, (*plainReader).guardNot)}
	}
	if r.skip("(") {
		t := &guardNotTree{Inner: deeper(r, (*plainReader).guard)}
		r.bad = r.bad || !r.skip(")")
		return t
	}
	return &guardNotTree{Pred: r.pred()}
}

func (r *plainReader) pred() *predTree {
	t := &predTree{Pos: r.at(), Root: r.take(condWord)}
	r.bad = r.bad || t.Root != "target" && t.Root != "branch"
	for !r.bad {
		segment := &segmentTree{Pos: r.at()}
		if !r.skip("/") {
			break
		}
		segment.Key = r.take(condWord, condKeyword, condOperator, condString)
		t.Path = append(t.Path, segment)
	}
	if !r.bad && (r.kind == condOperator || r.kind == condSign) {
		t.Op = &operatorTree{Pos: r.at(), Text: r.take(condOperator, condSign)}
		t.Literal = r.literal()
	}
	t.EndPos = r.was()
	return t
}

func (r *plainReader) literal() *literalTree {
	t := &literalTree{Pos: r.at()}
	if r.kind == condString {
		t.String = r.take(condString)
	} else {
		t.Word = r.take(condWord, condKeyword, condOperator)
	}
	t.EndPos = r.was()
	return t
}
