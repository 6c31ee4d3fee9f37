package grammar

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/plan/cond"
)

// conditionToken is a token with its place, for messages.
type conditionToken struct {
	kind int
	text string
	at   int
}

func (t conditionToken) end() int { return t.at + len(t.text) }

func (t conditionToken) is(text string) bool { return t.text == text && t.kind != condString }

func conditionTokensOf(s string) []conditionToken {
	var tokens []conditionToken
	for at := 0; at < len(s); {
		kind, n := nextConditionToken(s[at:])
		if kind != condSpace {
			tokens = append(tokens, conditionToken{kind, s[at : at+n], at})
		}
		at += n
	}
	return tokens
}

// checkBrackets reports brackets that do not fit, or nest too deep for the
// parser.
func checkBrackets(s string) *Error {
	closing := map[string]string{"(": ")", "[": "]", "{": "}"}
	var open []conditionToken
	for _, t := range conditionTokensOf(s) {
		if t.kind != condPunct {
			continue
		}
		if closing[t.text] != "" {
			if open = append(open, t); len(open) > maxConditionDepth {
				return errorAt(t.at, t.at+1, "split it into several conditions", "a condition nests more than %d levels deep", maxConditionDepth)
			}
		}
		if !slices.Contains([]string{")", "]", "}"}, t.text) {
			continue
		}
		if len(open) == 0 {
			return errorAt(t.at, t.at+1, "remove it", "`%s` closes nothing", t.text)
		}
		last := open[len(open)-1]
		if closing[last.text] != t.text {
			return errorAt(t.at, t.at+1, fmt.Sprintf("close with `%s`", closing[last.text]), "`%s` does not close `%s`", t.text, last.text)
		}
		open = open[:len(open)-1]
	}
	return nil
}

// otherSpellings has what other languages write.
var otherSpellings = map[string]string{
	"&&": "and", "&": "and", "||": "or", "|": "or", "!": "not", "=": "==", "~": "matches", "=~": "matches", "<>": "!=",
}

// explainCondition says what is wrong with s, which the parser refused at the
// byte stopped, and what could stand there.
func explainCondition(s string, stopped int) *Error {
	tokens := conditionTokensOf(s)
	i := slices.IndexFunc(tokens, func(t conditionToken) bool { return t.at >= stopped })
	if len(tokens) == 0 {
		return errorAt(0, len(s), "write the name of a state or signal", "a condition must not be empty")
	}
	if i < 0 {
		return explainEnd(tokens)
	}
	t := tokens[i]
	end := t.at + len(t.text)
	if t.kind == condStrange && (t.text[0] == '"' || t.text[0] == '\'') {
		return errorAt(t.at, end, "close it with "+t.text[:1], "a string is not closed")
	}
	wanted := expectedAfter(tokens[:i])
	if e := explainIdiom(s, tokens, i, wanted); e != nil {
		return e
	}
	help := "write " + wanted.String()
	two := s[t.at:min(t.at+2, len(s))] // shorter at the end
	near, known := otherSpellings[two]
	if known {
		end = t.at + len(two)
	} else {
		near, known = otherSpellings[t.text]
	}
	known = known && slices.Contains(wanted.words, near)
	if slices.Contains([]string{"xor", "nor", "nand"}, strings.ToLower(t.text)) {
		return errorAt(t.at, end, "write it with `and`, `or` and `not`: `(a or b) and not (a and b)` is one of the two", "`%s` is not expected here", t.text)
	}
	if !known {
		near, known = diag.Nearest(t.text, wanted.words)
	}
	if e := explainGuard(tokens, i, wanted); e != nil {
		return e
	}
	switch {
	case i > 0 && (tokens[i-1].is("facet") || tokens[i-1].is("impulse")):
		word := map[string]string{"facet": "state", "impulse": "signal"}[tokens[i-1].text]
		before := tokens[i-1]
		return errorAt(before.at, before.at+len(before.text), fmt.Sprintf("write `%s`", word),
			"`%s` is what newer Rind versions call `%s`", before.text, word).instead(word)
	case t.is(":") && i > 0 && i+1 < len(tokens) && tokens[i-1].kind == condWord && tokens[i+1].kind == condWord:
		before, after := tokens[i-1], tokens[i+1]
		return errorAt(before.at, after.at+len(after.text), fmt.Sprintf("write `%s@%s`", before.text, after.text),
			"`group:name` is the spelling of newer Rind versions").instead(before.text + "@" + after.text)
	case known:
		return nearWord(s, t.at, end, near)
	case t.kind == condAddress && slices.Contains(wanted.words, "target"):
		help = "write `target` or `branch`: a guard looks at one payload"
	}
	if i > 0 && tokens[i-1].kind == condWord && (t.kind == condAddress || t.kind == condWord) {
		// What was taken for a name is a misspelt word before one.
		before := tokens[i-1]
		if near, ok := diag.Nearest(before.text, expectedAfter(tokens[:i-1]).words); ok {
			return errorAt(before.at, before.at+len(before.text), fmt.Sprintf("did you mean `%s`?", near),
				"`%s` is not expected here", clipText(before.text)).instead(near)
		}
	}
	return errorAt(t.at, end, help, "`%s` is not expected here", clipText(s[t.at:end]))
}

// nearWord is about s[from:to], which looks like a word or sign that is expected.
func nearWord(s string, from, to int, near string) *Error {
	text := s[from:to]
	e := errorAt(from, to, fmt.Sprintf("did you mean `%s`?", near), "`%s` is not expected here", clipText(text))
	if !touches(s, from, to) && (diag.Misspelt(text, near) != nil || otherSpellings[text] != "") {
		return e.instead(spaced(s, from, to, near))
	}
	return e
}

// touches reports whether s[from:to] is a part of a longer row of signs, or right behind a
// string, so that it means nothing alone.
func touches(s string, from, to int) bool {
	const signs = "=!<>~:"
	sign := strings.ContainsAny(s[from:to], signs)
	return from > 0 && (strings.ContainsAny(s[from-1:from], `"'`) || sign && strings.ContainsAny(s[from-1:from], signs)) ||
		to < len(s) && sign && strings.ContainsAny(s[to:to+1], signs)
}

// explainGuard says what is wrong with tokens[i] if it is a key of the payload
// where a test has to begin: `name == "x"` or `target.name == "x"`.
func explainGuard(tokens []conditionToken, i int, wanted expected) *Error {
	t := tokens[i]
	if t.kind != condWord || !slices.Contains(wanted.words, "target") {
		return nil
	}
	for _, root := range []string{"target", "branch"} {
		if key, ok := strings.CutPrefix(t.text, root+"."); ok && key != "" {
			path := root + "/" + strings.ReplaceAll(key, ".", "/")
			return errorAt(t.at, t.at+len(t.text), fmt.Sprintf("write `%s`", path),
				"a path has slashes between its keys").instead(path)
		}
	}
	if i+1 == len(tokens) || tokens[i+1].kind != condOperator && tokens[i+1].kind != condSign && !tokens[i+1].is("=") {
		return nil
	}
	if _, misspelt := diag.Nearest(t.text, []string{"target", "branch"}); misspelt {
		return nil
	}
	return errorAt(t.at, t.at+len(t.text),
		fmt.Sprintf("write `target/%[1]s` for a field of the payload, or `branch/%[1]s` for a branch key", clipText(strings.TrimLeft(t.text, "."))),
		"a test begins with `target` or `branch`, not with `%s`", clipText(t.text))
}

// spaced returns word with the spaces that it needs in place of s[from:to], which
// may be a sign without any: a&&b, !a.
func spaced(s string, from, to int, word string) string {
	isWord := func(s string) bool { return segmentLen(s) > 0 }
	if !isWord(word) {
		return word
	}
	if from > 0 && isWord(s[from-1:]) {
		word = " " + word
	}
	if to < len(s) && (isWord(s[to:]) || strings.ContainsAny(s[to:to+1], `"'`)) {
		word += " "
	}
	return word
}

// noValue says that a word, at an offset, is no literal.
func noValue(word string, at int) *Error {
	if word == "target" || word == "branch" {
		return notWithPath(at, at+len(word))
	}
	quoted := fmt.Sprintf("%q", word)
	e := errorAt(at, at+len(word), fmt.Sprintf("put quotes around a string: `%s`", quoted), "%q is no value", word).instead(quoted)
	if near, ok := diag.Nearest(strings.ToLower(word), []string{"true", "false", "null"}); ok && diag.Misspelt(strings.ToLower(word), near) != nil && strings.ToLower(word) != near {
		e.Help, e.Instead = fmt.Sprintf("write `%s`, or put quotes around a string", near), ""
	} else if meant := literalMeant(word); meant != "" {
		e.Help, e.Instead = fmt.Sprintf("did you mean `%s`? a string needs quotes", meant), meant
	} else if strings.ContainsAny(word[:1], "+-.0123456789") {
		e.Help, e.Instead = "write a number as in JSON, or put quotes around a string", "" // either can be meant
	}
	return e
}

// literalMeant returns the JSON literal that other languages write as word, "" if
// there is none.
func literalMeant(word string) string {
	switch lower := strings.ToLower(word); lower {
	case "true", "false", "null":
		return lower
	case "nil", "none", "undefined":
		return "null"
	}
	if n, err := strconv.ParseInt(word, 0, 64); err == nil && !leadingZero(word) {
		return strconv.FormatInt(n, 10)
	}
	plain := strings.TrimPrefix(word, "+")
	plain = strings.TrimSuffix(plain, ".")
	if strings.HasPrefix(plain, ".") {
		plain = "0" + plain
	}
	if plain != word && number().MatchString(plain) {
		return plain
	}
	return ""
}

// leadingZero reports whether a number is octal in some languages and decimal in others.
func leadingZero(word string) bool {
	digits := strings.TrimLeft(word, "+-")
	return len(digits) > 1 && digits[0] == '0' && '0' <= digits[1] && digits[1] <= '9'
}

// unknownType says that a word, at an offset, is not what `is` can be followed by.
func unknownType(word string, at int) *Error {
	e := errorAt(at, at+len(word), "write "+expected{words: cond.TypeNames}.String(), "%q is no type", word)
	if word == "true" || word == "false" {
		e.Help = fmt.Sprintf("write `== %s`: `is` is about types", word)
	} else if near, ok := diag.Nearest(word, cond.TypeNames); ok {
		e.Help, e.Instead = fmt.Sprintf("did you mean `%s`?", near), near
	}
	return e
}

func clipText(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// explainEnd says what is missing at the end of a condition.
func explainEnd(tokens []conditionToken) *Error {
	var open []conditionToken
	for _, t := range tokens {
		if t.kind == condPunct && strings.ContainsAny(t.text, "([{") {
			open = append(open, t)
		} else if t.kind == condPunct && strings.ContainsAny(t.text, ")]}") {
			open = open[:len(open)-1] // checkBrackets has seen that they fit
		}
	}
	last := tokens[len(tokens)-1]
	wanted := expectedAfter(tokens)
	if len(open) > 0 && wanted.complete {
		t := open[len(open)-1]
		return errorAt(t.at, t.at+1, "close it", "`%s` is never closed", t.text)
	}
	return errorAt(last.at, last.at+len(last.text), "write "+wanted.String(), "something is missing behind `%s`", clipText(last.text))
}

// expected is what may stand somewhere: words, and what has no spelling of its
// own.
type expected struct {
	words    []string
	other    string
	complete bool // the condition, or what the bracket is around, may end here
}

func (e expected) String() string {
	var list []string
	for _, w := range e.words {
		list = append(list, "`"+w+"`")
	}
	if e.other != "" {
		list = append(list, e.other)
	}
	if last := len(list) - 1; last > 0 {
		return strings.Join(list[:last], ", ") + " or " + list[last]
	}
	return strings.Join(list, "")
}

// expectedAfter returns what may follow tokens, which the grammar takes.
func expectedAfter(tokens []conditionToken) expected {
	if len(tokens) == 0 {
		return expected{words: []string{"not", "all", "any", "state", "signal"}, other: "a name"}
	}
	last := tokens[len(tokens)-1]
	inGuard, bracket := surroundings(tokens)
	starts := last.kind == condPunct && strings.ContainsAny(last.text, "(,") || last.kind == condKeyword && slices.Contains([]string{"and", "or", "not"}, last.text)
	switch {
	case bracket == "[" || bracket == "{":
		return expectedInValue(last, bracket)
	case inGuard && last.is("/"):
		return expected{other: "a key; quote one that is not letters, digits, `_`, `.` and `-`"}
	case inGuard && !isPart(tokens) && (last.kind == condOperator || last.kind == condSign):
		if last.is(string(cond.OpIs)) {
			return expected{words: cond.TypeNames}
		}
		return expected{words: []string{"true", "false", "null"}, other: "a number, a string in quotes, a `[list]` or a `{table}`"}
	case inGuard && starts && !isPart(tokens):
		return expected{words: []string{"target", "branch", "not"}, other: "`(`"}
	case inGuard && afterPath(tokens):
		return expected{words: append(operatorWords(), "and", "or"), other: "`,` or `)`", complete: true}
	case inGuard:
		return expected{words: []string{"and", "or"}, other: "`,` or `)`", complete: true}
	case starts:
		return expected{words: []string{"not", "all", "any", "state", "signal"}, other: "a name"}
	case last.kind == condKeyword && (last.text == "state" || last.text == "signal") && !afterKind(tokens):
		return expected{other: "a name, such as `net@up`"}
	case last.kind == condKeyword && !afterKind(tokens): // all, any
		return expected{other: "`(`"}
	}
	return expected{words: []string{"and", "or"}, other: "`(` and a test of the payload", complete: true}
}

// expectedInValue is [expectedAfter] inside a list, a table or an index.
func expectedInValue(last conditionToken, bracket string) expected {
	switch {
	case last.is("["), last.is(",") && bracket == "[", last.is(":"), last.is("="):
		return expected{words: []string{"true", "false", "null"}, other: "a number, a string in quotes, a `[list]` or a `{table}`"}
	case last.is("{"), last.is(","):
		return expected{other: "a key"}
	}
	return expected{other: "`,` or the end of the bracket", complete: true}
}

// surroundings reports whether the end of tokens is inside the parentheses of a
// guard, and which bracket is the innermost open one.
func surroundings(tokens []conditionToken) (inGuard bool, bracket string) {
	type level struct {
		bracket string
		guard   bool
	}
	open := []level{{}}
	for i, t := range tokens {
		if t.kind != condPunct {
			continue
		}
		switch t.text {
		case "(":
			before := i > 0 && (tokens[i-1].kind != condKeyword && tokens[i-1].kind != condPunct || afterKind(tokens[:i]))
			open = append(open, level{"(", open[len(open)-1].guard || before})
		case "[", "{":
			open = append(open, level{t.text, open[len(open)-1].guard})
		case ")", "]", "}":
			open = open[:max(len(open)-1, 1)]
		}
	}
	last := open[len(open)-1]
	return last.guard, last.bracket
}

// afterKind reports whether the last token is a name because "state" or "signal"
// is before it.
func afterKind(tokens []conditionToken) bool {
	n := len(tokens)
	return n > 1 && (tokens[n-2].is("state") || tokens[n-2].is("signal")) && !afterKind(tokens[:n-1])
}

// isPart reports whether the last token is a segment of a path, whatever else
// its text could be.
func isPart(tokens []conditionToken) bool {
	n := len(tokens)
	return n > 1 && tokens[n-2].is("/")
}

// afterPath reports whether tokens end with a path of a guard that nothing is
// compared with yet.
func afterPath(tokens []conditionToken) bool {
	for i, t := range slices.Backward(tokens) {
		switch {
		case isPart(tokens[:i+1]), t.is("/"), t.is("["), t.is("]"), strings.Trim(t.text, "0123456789") == "":
		case t.is("target"), t.is("branch"):
			return true
		default:
			return false
		}
	}
	return false
}

// operatorWords lists the operators as they are written.
func operatorWords() []string {
	var words []string
	for _, o := range cond.Operators {
		if o.Op != cond.OpExists {
			words = append(words, string(o.Op))
		}
	}
	return words
}

// badEscape returns what of a JSON string is an escape that JSON does not have, or a
// character that needs one.
func badEscape(quoted string) (from, to int) {
	for i := 1; i < len(quoted)-1; i++ {
		switch {
		case quoted[i] < ' ':
			return i, i + 1
		case quoted[i] != '\\':
		case !strings.ContainsRune(`"\/bfnrtu`, rune(quoted[i+1])):
			return i, i + 1 + runeLen(quoted[i+1:])
		default:
			i++
		}
	}
	return 0, len(quoted)
}
