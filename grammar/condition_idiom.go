package grammar

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// explainIdiom recognises what people write who are used to other languages: tokens[i]
// is what the parser stopped at. It returns nil for anything else.
func explainIdiom(s string, tokens []conditionToken, i int, wanted expected) *Error {
	t := tokens[i]
	inTest := slices.Contains(wanted.words, "target")
	switch {
	case inTest && comparesBackwards(tokens, i):
		return explainBackwards(s, tokens, i)
	case inTest && t.kind == condOperator:
		return prefixOperator(tokens, i)
	case inTest && t.kind == condWord && i+1 < len(tokens) && tokens[i+1].is(")") && i > 0 && tokens[i-1].is("("):
		return errorAt(t.at, t.end(), fmt.Sprintf("write `target == %.80q` for a payload that is text", t.text), "a test begins with `target` or `branch`, not with `%s`", clipText(t.text))
	case inTest && t.kind == condWord && gluedPath(t.text) != "":
		return errorAt(t.at, t.end(), fmt.Sprintf("write `%s`", gluedPath(t.text)), "a path has slashes between its keys").instead(gluedPath(t.text))
	case inTest && t.is("exists"):
		return errorAt(t.at, t.end(), "write the path alone, such as `target/name`: that tests whether it is there", "`exists` is not expected here")
	case t.kind == condString && i > 1 && tokens[i-1].is("[") && i+1 < len(tokens) && tokens[i+1].is("]"):
		key := "/" + pathKey(t.text)
		return errorAt(tokens[i-1].at, tokens[i+1].end(), fmt.Sprintf("write `%s` behind the path", clipText(key)), "a path has slashes between its keys").instead(key)
	case t.is("=") && i > 0 && tokens[i-1].kind == condSign && tokens[i-1].end() == t.at:
		return signs(tokens[i-1].at, t.end(), tokens[i-1].text+t.text)
	case t.is("=") && i+1 < len(tokens) && tokens[i+1].at == t.end() && (tokens[i+1].kind == condSign || tokens[i+1].is("!")):
		return signs(t.at, tokens[i+1].end(), t.text+tokens[i+1].text)
	case t.is("/") && i > 0 && (tokens[i-1].is("target") || tokens[i-1].is("branch")):
		return notWithPath(tokens[i-1].at, t.end())
	case t.is("(") && i > 0 && tokens[i-1].is("in"):
		return errorAt(t.at, t.end(), "write a list in brackets: `in [\"a\", \"b\"]`", "`(` is not expected here")
	case t.is("like") && afterPath(tokens[:i]):
		return errorAt(t.at, t.end(), "write `contains`, or `matches` for a pattern", "`like` is no operator")
	case i > 1 && tokens[i-1].is("not") && tokens[i-2].is("is"):
		return errorAt(tokens[i-1].at, tokens[i-1].end(), "write `not` in front of the test: `not target/name is …`", "`not` is not expected here")
	case t.kind == condStrange && strings.ContainsAny(t.text, "`“”„‘’«»"):
		return errorAt(t.at, t.end(), "use straight quotes: `\"` or `'`", "%s is no quote", strconv.Quote(t.text))
	case t.is("between"):
		return errorAt(t.at, t.end(), "write two tests, with `>=` for the least value, `and`, and `<=` for the largest", "`between` is no operator")
	case t.is("not") && afterPath(tokens[:i]):
		return errorAt(t.at, t.end(), "write `not` in front of the test: `not target/name "+followed(tokens, i)+" …`", "`not` is not expected here")
	case t.is("not") && i > 0 && wanted.complete:
		return errorAt(t.at, t.end(), "write `and not` or `or not`", "`not` is not expected here")
	}
	return explainWords(tokens, i, wanted)
}

// explainWords is about words that stand between conditions, or in front of them.
func explainWords(tokens []conditionToken, i int, wanted expected) *Error {
	t := tokens[i]
	switch {
	case i > 0 && (t.is("and") || t.is("or")) && (tokens[i-1].is("and") || tokens[i-1].is("or")):
		return errorAt(t.at, t.end(), "remove it", "`%s` stands between two conditions", t.text)
	case i > 0 && (t.is("and") || t.is("or")) && tokens[i-1].is("not"):
		return errorAt(t.at, t.end(), fmt.Sprintf("write `state %s` if that is its name", t.text), "`%s` is a word of the language", t.text)
	case i == 0 && (t.is("and") || t.is("or")):
		return errorAt(t.at, t.end(), "remove it, or write a condition in front of it", "`%s` stands between two conditions", t.text)
	case i == 1 && isOtherKind(tokens[0].text) && (t.kind == condWord || t.kind == condAddress):
		help := "name a state or signal"
		if tokens[0].is("service") {
			help = "name a state or signal; a service that waits for another one has it in `after`"
		}
		return errorAt(tokens[0].at, tokens[0].end(), help, "a condition is about a state or a signal, not about a %s", tokens[0].text)
	}
	return explainOutside(tokens, i, wanted)
}

// followed returns the text of the token behind tokens[i].
func followed(tokens []conditionToken, i int) string {
	if i+1 < len(tokens) {
		return clipText(tokens[i+1].text)
	}
	return "in"
}

// gluedPath returns the path that is meant by a word such as targetuid, "" if none is.
func gluedPath(word string) string {
	for _, root := range []string{"target", "branch"} {
		if key, ok := strings.CutPrefix(word, root); ok && len(key) > 1 && key[0] != '.' {
			return root + "/" + key
		}
	}
	return ""
}

// explainOutside is about tests and commas where there is no guard.
func explainOutside(tokens []conditionToken, i int, wanted expected) *Error {
	if inGuard, _ := surroundings(tokens[:i]); inGuard || !wanted.complete || i == 0 {
		return nil
	}
	t, before := tokens[i], tokens[i-1]
	name := before.kind == condWord || before.kind == condAddress
	if at, dot := strings.IndexByte(before.text, '@'), strings.LastIndexByte(before.text, '.'); name && at >= 0 && dot > at && t.kind == condSign {
		return errorAt(before.at, before.end(), fmt.Sprintf("write `%s(target/%s %s …)`", clipText(before.text[:dot]), clipText(before.text[dot+1:]), t.text),
			"the payload of a state or signal is tested in parentheses")
	}
	for _, root := range []string{".target", ".branch"} {
		if rest, ok := strings.CutSuffix(before.text, root); ok && name {
			return testOutside(before, rest)
		}
	}
	switch {
	case t.is(","):
		return errorAt(t.at, t.end(), "write `and` or `or`; in an array, each condition is a string of its own", "`,` is not expected here")
	case name && (t.is("==") || t.is("=")) && i+1 < len(tokens) && (tokens[i+1].is("true") || tokens[i+1].is("set")):
		return errorAt(t.at, tokens[i+1].end(), fmt.Sprintf("write `%[1]s` alone if it has no payload, else `%[1]s(target == …)`", clipText(before.text)), "a state or signal is not compared")
	case name && (t.kind == condSign || t.kind == condOperator || t.is("=") || t.is("target") || t.is("branch") || t.is("/")):
		return testOutside(t, before.text)
	}
	return nil
}

func testOutside(t conditionToken, name string) *Error {
	return errorAt(t.at, t.end(), fmt.Sprintf("write `%s(target == \"…\")`", clipText(name)), "the payload of a state or signal is tested in parentheses")
}

// isOtherKind reports whether word is a kind of unit that no condition is about.
func isOtherKind(word string) bool {
	return slices.Contains([]string{"socket", "service", "timer", "permission", "variable"}, word)
}

// signs says which operator is meant by a row of signs; some languages turn them round.
func signs(from, to int, written string) *Error {
	meant := map[string]string{"===": "==", "!==": "!=", "=>": ">=", "=<": "<=", "=!": "!=", "<==": "<=", ">==": ">=", "===>": ">="}[written]
	if meant == "" {
		return errorAt(from, to, "write one of `==`, `!=`, `<`, `<=`, `>` and `>=`", "`%s` is no operator", clipText(written))
	}
	return errorAt(from, to, fmt.Sprintf("did you mean `%s`?", meant), "`%s` is no operator", written).instead(meant)
}

// comparesBackwards reports whether tokens[i] is a value that is compared with a part
// of the payload.
func comparesBackwards(tokens []conditionToken, i int) bool {
	return i+2 < len(tokens) && (tokens[i].kind == condWord || tokens[i].kind == condString) &&
		tokens[i+1].kind == condSign && (tokens[i+2].is("target") || tokens[i+2].is("branch"))
}

// mirrored has the operators that are others when both sides change places.
var mirrored = map[string]string{"<": ">", "<=": ">=", ">": "<", ">=": "<="}

func explainBackwards(s string, tokens []conditionToken, i int) *Error {
	last := i + 2
	for last+1 < len(tokens) && afterPath(tokens[:last+2]) {
		last++
	}
	op := tokens[i+1].text
	if other := mirrored[op]; other != "" {
		op = other
	}
	meant := s[tokens[i+2].at:tokens[last].end()] + " " + op + " " + tokens[i].text
	if last+1 < len(tokens) && tokens[last+1].kind == condSign {
		return errorAt(tokens[last+1].at, tokens[last+1].end(), fmt.Sprintf("write two tests: `%s and …`", clipText(meant)), "a test has one operator")
	}
	return errorAt(tokens[i].at, tokens[last].end(), fmt.Sprintf("write `%s`", clipText(meant)), "the payload is on the left of an operator").instead(meant)
}

// prefixOperator says where an operator stands.
func prefixOperator(tokens []conditionToken, i int) *Error {
	t, path := tokens[i], "target"
	if i+1 < len(tokens) && tokens[i+1].is("branch") {
		path = "branch"
	}
	return errorAt(t.at, t.end(), fmt.Sprintf("write `%s/name %s …`", path, t.text), "`%s` stands behind what it tests", t.text)
}

// notWithPath says that a test has a value on its right side.
func notWithPath(from, to int) *Error {
	return errorAt(from, to, "write a value: a string in quotes, a number, `true`, `false` or `null`", "a payload is compared with a value, not with another part of it")
}

// pathKey returns a string in quotes as a segment of a path, which needs none for a word.
func pathKey(quoted string) string {
	if inner := quoted[1 : len(quoted)-1]; isSegment(inner) {
		return inner
	}
	return quoted
}
