package sat

import (
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/plan/cond"
)

// texts adds texts that pass the tests for parts of a text, if that is easy.
func (c *collector) texts(facts []fact) {
	var start, end, inside string
	var patterns []string
	found := false
	for _, f := range facts {
		lit, ok := f.pred.Lit.(string)
		if !ok || !f.want {
			continue
		}
		switch {
		case f.is(cond.OpStartsWith):
			start = longer(start, lit)
		case f.is(cond.OpEndsWith):
			end = longer(end, lit)
		case f.is(cond.OpContains):
			inside += lit
		case f.is(cond.OpMatches):
			if example, ok := example(lit); ok {
				patterns = append(patterns, example)
			}
		default:
			continue
		}
		found = true
	}
	if !found {
		return
	}
	for _, p := range append(patterns, "") {
		for _, gap := range []string{"", "-"} {
			c.list = append(c.list, start+gap+p+gap+inside+gap+end)
		}
	}
	c.list = append(c.list, start, end, inside)
	for _, f := range facts {
		if lit, ok := f.pred.Lit.(string); ok && f.want && f.pred.Op != cond.OpMatches {
			c.list = append(c.list, lit)
		}
	}
}

func longer(a, b string) string {
	if len(a) > len(b) {
		return a
	}
	return b
}

// textClash reports whether no text passes all tests: two of them fix the same
// end of it in different ways, or one wants what the other rules out.
func textClash(facts []fact) bool {
	for i, f := range facts {
		a, ok := f.pred.Lit.(string)
		if !ok || !f.want {
			continue
		}
		for j, g := range facts {
			b, ok := g.pred.Lit.(string)
			if ok && i != j && clash(f.pred.Op, a, g, b) {
				return true
			}
		}
	}
	return false
}

// clash reports whether a text that passes the test op a cannot have g, whose
// literal is b.
func clash(op cond.Op, a string, g fact, b string) bool {
	if !slices.Contains([]cond.Op{cond.OpStartsWith, cond.OpEndsWith, cond.OpContains}, op) {
		return false
	}
	if g.want {
		switch {
		case op == cond.OpStartsWith && g.pred.Op == cond.OpStartsWith:
			return !strings.HasPrefix(a, b) && !strings.HasPrefix(b, a)
		case op == cond.OpEndsWith && g.pred.Op == cond.OpEndsWith:
			return !strings.HasSuffix(a, b) && !strings.HasSuffix(b, a)
		}
		return false
	}
	switch {
	case g.pred.Op == cond.OpContains:
		return strings.Contains(a, b)
	case g.pred.Op == op && op == cond.OpStartsWith:
		return strings.HasPrefix(a, b)
	case g.pred.Op == op && op == cond.OpEndsWith:
		return strings.HasSuffix(a, b)
	}
	return false
}

// example returns a short text that a regular expression probably matches.
func example(pattern string) (string, bool) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return "", false
	}
	var b strings.Builder
	ok := writeExample(&b, re.Simplify())
	return b.String(), ok && b.Len() <= maxExample
}

// maxExample bounds an example: repetitions of repetitions grow fast.
const maxExample = 1024

func writeExample(b *strings.Builder, re *syntax.Regexp) bool {
	if b.Len() > maxExample {
		return false
	}
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			b.WriteRune(r)
		}
	case syntax.OpCharClass:
		if len(re.Rune) == 0 {
			return false
		}
		b.WriteRune(readable(re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte('x')
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if !writeExample(b, sub) {
				return false
			}
		}
	case syntax.OpCapture, syntax.OpPlus, syntax.OpAlternate:
		return writeExample(b, re.Sub[0])
	case syntax.OpRepeat:
		for range re.Min {
			if !writeExample(b, re.Sub[0]) {
				return false
			}
		}
	case syntax.OpNoMatch:
		return false
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary, syntax.OpStar, syntax.OpQuest:
		// nothing will do
	}
	return true
}

// readable picks a letter or digit of a character class, if it has one.
func readable(ranges []rune) rune {
	for _, r := range "axA1" {
		for i := 0; i+1 < len(ranges); i += 2 {
			if ranges[i] <= r && r <= ranges[i+1] {
				return r
			}
		}
	}
	return ranges[0]
}
