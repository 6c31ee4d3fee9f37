package decode

import (
	"fmt"
	"strconv"
	"strings"
)

// wordings are messages of the decoder, which speaks of its own parts, and how we say
// them. %s is what is marked in the file.
var wordings = []struct{ part, plain string }{
	{"top-level item to end", "%s is not expected behind a value"},
	{"expected value but found '\\n'", "the value is missing"},
	{"expected value but found", "%s is no value"},
	{"expected value", "the value is missing"},
	{"invalid float value", "%s is no value"},
	{"expected '.' or '=', but got '\\n'", "the value is missing"},
	{"expected '.' or '='", "`=` is missing behind the key"},
	{"array terminator", "a comma or `]` is missing"},
	{"inline table terminator", "a comma or `}` is missing"},
	{"table array name delimiter", "the header is not closed"},
	{"to end table name", "the header is not closed"},
	{"key name appears blank", "the key is missing"},
	{"table separator", "a name is missing in the header"},
	{"end of table name", "the header has no name"},
	{"strings cannot contain newlines", "the string is not closed on its line"},
}

// plainly says in our words what is wrong at the text that is marked, which is a value
// from its start, or something behind one.
func plainly(message, marked string, fromStart bool) string {
	switch {
	case conflictMarker(marked):
		return "a conflict of two versions is not resolved"
	case marked == ";", marked == "//":
		return fmt.Sprintf("`%s` is not expected here", marked)
	case fromStart && strings.Contains(message, "top-level item to end"):
		message = "expected value but found"
	}
	if name, ok := between(message, "key '", "' has already been defined"); ok {
		return fmt.Sprintf("`%s` is defined twice", name)
	}
	if name, ok := between(message, "key '", "' was already created"); ok {
		return fmt.Sprintf("`%s` is defined already, as something else", name)
	}
	for _, w := range wordings {
		switch {
		case !strings.Contains(message, w.part):
		case !strings.Contains(w.plain, "%s"):
			return w.plain
		case marked != "" && !strings.Contains(marked, "\n"):
			shown := "`" + clip(marked) + "`"
			if strings.Contains(marked, "`") {
				shown = strconv.Quote(clip(marked))
			}
			return fmt.Sprintf(w.plain, shown)
		}
	}
	return message
}

func between(s, before, behind string) (string, bool) {
	rest, ok := strings.CutPrefix(s, before)
	name, _, found := strings.Cut(rest, behind)
	return name, ok && found
}
