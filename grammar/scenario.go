package grammar

import (
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"

	"github.com/rind-sockets/rind/compiler/diag"
)

// Limits of scenario files, in bytes.
const (
	MaxScenario     = 1 << 20
	maxScenarioLine = 8 << 10
)

// Statement is one line of a scenario file, or several that a bracket joins.
type Statement struct {
	At   Extent // in the file
	Verb string // the words that say what it is, such as "set state"

	Text  string // of a "scenario": its title; of a program: its path; else what a string says
	Unit  Word   // what it is about
	Words []Word // further words, such as the state that a socket is expected in
	Value *Literal
	Guard *ConditionGuard
	Time  time.Duration
	As    *Accessor
	Args  []string // of "expect run"
	No    bool     // the opposite is expected
}

// Word is a word of a statement and its place in the file.
type Word struct {
	Text string
	At   Extent
}

// Literal is a value of a statement: JSON data that has not been checked.
type Literal struct {
	Tree any
	At   Extent
}

// Accessor is who accesses a socket.
type Accessor struct {
	UID    Word // a number, or empty
	User   Word // a name, or empty
	Groups []Word
}

type (
	statementTree struct {
		Scenario string        `parser:"  'scenario' @String"`
		Given    *assignTree   `parser:"| 'given' 'state' @@"`
		Set      *assignTree   `parser:"| 'set' 'state' @@"`
		Remove   *removeTree   `parser:"| 'remove' 'state' @@"`
		Emit     *assignTree   `parser:"| 'emit' 'signal' @@"`
		Access   *accessTree   `parser:"| 'access' 'socket' @@"`
		Start    *kindTree     `parser:"| 'start' @@"`
		Stop     *kindTree     `parser:"| 'stop' @@"`
		Exit     *exitTree     `parser:"| 'exit' 'service' @@"`
		Ready    *wordTree     `parser:"| 'ready' 'service' @@"`
		Wait     *wordTree     `parser:"| 'wait' @@"`
		Boot     bool          `parser:"| @'boot'"`
		Shutdown bool          `parser:"| @'shutdown'"`
		Socket   *ableTree     `parser:"| 'socket' @@"`
		Service  *conductTree  `parser:"| 'service' @@"`
		Program  *programTree  `parser:"| 'program' @@"`
		Expect   *expectedTree `parser:"| 'expect' @@"`
	}
	wordTree struct {
		Pos  lexer.Position
		Text string `parser:"@( Address | Word | Keyword | Operator )"`
	}
	kindTree struct {
		Kind string    `parser:"@( 'socket' | 'service' )"`
		Unit *wordTree `parser:"@@"`
	}
	assignTree struct {
		Unit  *wordTree    `parser:"@@"`
		Value *literalTree `parser:"@@?"`
	}
	removeTree struct {
		Unit  *wordTree  `parser:"@@"`
		Guard *guardTree `parser:"( 'where' '(' @@ ')' )?"`
	}
	accessTree struct {
		Unit *wordTree     `parser:"@@"`
		As   *accessorTree `parser:"( 'as' @@ )?"`
		From string        `parser:"( 'from' @String )?"`
		Data string        `parser:"( 'sending' @String )?"`
	}
	accessorTree struct {
		UID    *wordTree   `parser:"(   'uid' @@"`
		User   *wordTree   `parser:"  | 'user' @@ )"`
		Groups []*wordTree `parser:"( 'groups' @@ ( ',' @@ )* )?"`
	}
	exitTree struct {
		Unit   *wordTree `parser:"@@"`
		Status *wordTree `parser:"(   'status' @@"`
		Signal *wordTree `parser:"  | 'signal' @@ )?"`
	}
	ableTree struct {
		Unit   *wordTree `parser:"@@"`
		Can    bool      `parser:"(   @'can' 'open'"`
		Cannot bool      `parser:"  | @'cannot' 'open'"`
		Reason string    `parser:"    @String? )"`
	}
	conductTree struct {
		Unit    *wordTree `parser:"@@"`
		Can     bool      `parser:"(   @'can' 'start'"`
		Cannot  bool      `parser:"  | @'cannot' 'start'"`
		Reason  string    `parser:"    @String?"`
		Ignores *wordTree `parser:"  | 'ignores' @@"`
		Heeds   *wordTree `parser:"  | 'heeds' @@"`
		Silent  bool      `parser:"  | 'is' @'silent' )"`
	}
	programTree struct {
		Path   string `parser:"@String"`
		Prints string `parser:"(   'prints' @String"`
		Fails  string `parser:"  | 'fails' @String )"`
	}
	expectedTree struct {
		Nothing bool        `parser:"  @'nothing'"`
		Else    bool        `parser:"  @'else'?"`
		Run     []string    `parser:"| 'run' @String+"`
		Problem string      `parser:"| 'problem' @String"`
		Denied  *wordTree   `parser:"| 'denied' 'socket' @@"`
		Refused *wordTree   `parser:"| 'refused' 'socket' @@"`
		Socket  *statusTree `parser:"| 'socket' @@"`
		Service *statusTree `parser:"| 'service' @@"`
		Timer   *statusTree `parser:"| 'timer' @@"`
		No      bool        `parser:"| @'no'?"`
		State   *factTree   `parser:"  (   'state' @@"`
		Signal  *factTree   `parser:"    | 'signal' @@ )"`
	}
	statusTree struct {
		Unit  *wordTree `parser:"@@"`
		State *wordTree `parser:"@@"`
	}
	factTree struct {
		Unit  *wordTree    `parser:"@@"`
		Guard *guardTree   `parser:"(   'where' '(' @@ ')'"`
		Value *literalTree `parser:"  | @@ )?"`
	}
)

var scenarioParser = lazily[statementTree](
	participle.Lexer(define(func() scanFunc { return scanScenario }, conditionTokens...)),
	participle.Elide("Space"),
	participle.UseLookahead(0),
)

func scanScenario(rest string) (lexer.TokenType, int) {
	kind, n := nextScenarioToken(rest)
	return tokenType(kind), n
}

// nextScenarioToken scans the tokens of conditions, and comments. A string ends
// on its line, so that one forgotten quote does not hide the rest of the file.
func nextScenarioToken(rest string) (kind, n int) {
	if rest[0] == '#' {
		line, _, _ := strings.Cut(rest, "\n")
		return condSpace, len(line)
	}
	kind, n = nextConditionToken(rest)
	if line, _, more := strings.Cut(rest[:n], "\n"); more && kind != condSpace {
		return condStrange, len(line)
	}
	return kind, n
}

// ParseScenario parses a scenario file: one statement in each line, unless a
// bracket is open at its end. It returns the statements that are sound, and what
// is wrong with the others.
func ParseScenario(text string) ([]Statement, []*Error) {
	if len(text) > MaxScenario {
		return nil, []*Error{errorAt(0, 0, "split it", "a scenario file of %d bytes is too long, at most %d are allowed", len(text), MaxScenario)}
	}
	var list []Statement
	var bad []*Error
	for _, at := range statements(text) {
		s, err := parseStatement(text[at.From:at.To])
		if err != nil {
			err.From, err.To = err.From+at.From, err.To+at.From
			bad = append(bad, err)
			continue
		}
		s.shift(at.From)
		s.At = at
		list = append(list, *s)
	}
	return list, bad
}

// statements finds where the statements of a file are.
func statements(text string) []Extent {
	var list []Extent
	start, end, depth := -1, 0, 0
	flush := func() {
		if start >= 0 {
			list = append(list, Extent{start, end})
		}
		start, depth = -1, 0
	}
	for at := 0; at < len(text); {
		kind, n := nextScenarioToken(text[at:])
		token := text[at : at+n]
		if kind == condSpace {
			if strings.Contains(token, "\n") && (depth == 0 || begins(text[at+n:])) {
				flush()
			}
			at += n
			continue
		}
		if start < 0 {
			start = at
		}
		at += n
		end = at
		switch {
		case kind == condPunct && strings.Contains("([{", token):
			depth++
		case kind == condPunct && strings.Contains(")]}", token):
			depth = max(depth-1, 0)
		}
	}
	flush()
	return list
}

// begins reports whether rest begins with a new scenario, which closes every
// bracket.
func begins(rest string) bool { return strings.HasPrefix(rest, "scenario ") }

func parseStatement(text string) (*Statement, *Error) {
	if len(text) > maxScenarioLine {
		return nil, errorAt(0, len(text), "split it, or close the bracket", "a statement of %d bytes is too long, at most %d are allowed", len(text), maxScenarioLine)
	}
	if bad := checkBrackets(text); bad != nil {
		return nil, bad
	}
	tree, err := scenarioParser().ParseString("", text)
	if err != nil {
		return nil, explainStatement(text, offsetOf(err))
	}
	r := statementReader{conditionReader{text: text}}
	s := r.statement(tree)
	if r.bad != nil {
		return nil, r.bad
	}
	return s, nil
}

// verbs are the first words of statements, with what follows them.
var verbs = []struct{ word, form string }{
	{"scenario", `scenario "TITLE"`},
	{"given", "given state NAME [VALUE]"},
	{"set", "set state NAME [VALUE]"},
	{"remove", "remove state NAME [where (TEST)]"},
	{"emit", "emit signal NAME [VALUE]"},
	{"access", `access socket NAME [as uid N | as user NAME [groups NAME, …]] [from "ADDRESS"] [sending "DATA"]`},
	{"start", "start socket|service NAME"},
	{"stop", "stop socket|service NAME"},
	{"exit", "exit service NAME [status N | signal NAME]"},
	{"ready", "ready service NAME"},
	{"wait", "wait DURATION"},
	{"boot", "boot"},
	{"shutdown", "shutdown"},
	{"socket", `socket NAME can open | cannot open ["REASON"]`},
	{"service", `service NAME can start | cannot start ["REASON"] | ignores SIGNAL | heeds SIGNAL | is silent`},
	{"program", `program "PATH" prints "OUTPUT" | fails "REASON"`},
	{"expect", `expect socket|service|timer NAME STATE, expect [no] state|signal NAME [VALUE | where (TEST)], expect denied|refused socket NAME, expect run "PROGRAM" "ARGUMENT"…, expect problem "TEXT", expect nothing [else]`},
}

// explainStatement says what is wrong at the byte at of a statement.
func explainStatement(text string, at int) *Error {
	word, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	i := slices.IndexFunc(verbs, func(v struct{ word, form string }) bool { return v.word == word })
	if i < 0 {
		var known []string
		for _, v := range verbs {
			known = append(known, v.word)
		}
		help := "a line begins with one of " + strings.Join(known, ", ")
		if near, ok := diag.Nearest(word, known); ok {
			help = "did you mean `" + near + "`?"
		}
		return errorAt(0, len(word), help, "there is no statement %q", word)
	}
	if at >= len(text) {
		return errorAt(len(text), len(text), "write `"+verbs[i].form+"`", "the statement is not complete")
	}
	_, n := nextScenarioToken(text[at:])
	return errorAt(at, at+n, "write `"+verbs[i].form+"`", "%q is not expected here", text[at:at+n])
}
