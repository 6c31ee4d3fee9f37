package grammar

import (
	"fmt"
	"strings"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"
)

// MaxTOML bounds the text that [ParseTOML] parses. participle needs about 450
// bytes for each byte of it.
const MaxTOML = 1 << 20

// TOML is an index of where things are in a piece of TOML: no values, only
// positions. It accepts more than TOML does and relies on a decoder that has
// accepted the text before.
type TOML struct {
	Lines []*TOMLLine `parser:"@@? ( EOL @@? )*"`
}

// TOMLLine is a header or a key and its value: one of the two is set.
type TOMLLine struct {
	Header *TOMLHeader `parser:"  @@"`
	Pair   *TOMLPair   `parser:"| @@"`
}

// TOMLHeader is [key] or [[key]].
type TOMLHeader struct {
	Pos    lexer.Position
	Array  []*TOMLPart `parser:"  DoubleOpen @@ ( Dot @@ )* DoubleClose"`
	Table  []*TOMLPart `parser:"| Open @@ ( Dot @@ )* Close"`
	EndPos lexer.Position
}

// TOMLPair is key = value. The parts of a dotted key are apart.
type TOMLPair struct {
	Key   []*TOMLPart `parser:"@@ ( Dot @@ )*"`
	Value *TOMLValue  `parser:"Equal @@"`
}

// TOMLPart is one part of a key, as it stands in the text.
type TOMLPart struct {
	Pos    lexer.Position
	Raw    string `parser:"@( Bare | Basic | Literal )"`
	EndPos lexer.Position
}

// TOMLValue is one value. String is its text with the quotes, if it is one.
type TOMLValue struct {
	Pos    lexer.Position
	String string      `parser:"  @( Basic | Literal | MultiBasic | MultiLiteral )"`
	Array  *TOMLArray  `parser:"| @@"`
	Inline *TOMLInline `parser:"| @@"`
	Atom   string      `parser:"| @Atom"`
	EndPos lexer.Position
}

// TOMLArray is [value, …].
type TOMLArray struct {
	Items []*TOMLValue `parser:"Open ( @@ ( Comma @@ )* Comma? )? Close"`
}

// TOMLInline is {key = value, …}.
type TOMLInline struct {
	Pairs []*TOMLPair `parser:"LeftBrace ( @@ ( Comma @@ )* Comma? )? RightBrace"`
}

var tomlParser = lazily[TOML](
	participle.Lexer(define(startTOML, tomlTokens...)),
	participle.Elide("Space", "Comment"),
)

// ParseTOML returns the index of text, which must not nest deeper than a guard
// has allowed.
func ParseTOML(text string) (*TOML, error) {
	if len(text) > MaxTOML {
		return nil, fmt.Errorf("%d bytes of TOML are too much to find positions in, at most %d are allowed", len(text), MaxTOML)
	}
	return tomlParser().ParseString("", text)
}

// Token types of TOML, in the order of tomlTokens.
const (
	tomlSpace = iota
	tomlComment
	tomlEOL
	tomlBare
	tomlBasic
	tomlLiteral
	tomlMultiBasic
	tomlMultiLiteral
	tomlAtom
	tomlDot
	tomlEqual
	tomlComma
	tomlDoubleOpen
	tomlDoubleClose
	tomlOpen
	tomlClose
	tomlLeftBrace
	tomlRightBrace
	tomlStrange
)

var tomlTokens = []string{
	"Space", "Comment", "EOL", "Bare", "Basic", "Literal", "MultiBasic", "MultiLiteral", "Atom", "Dot", "Equal",
	"Comma", "DoubleOpen", "DoubleClose", "Open", "Close", "LeftBrace", "RightBrace", "Strange",
}

// tomlLexer knows where it stands, because "1" and "true" are keys left of "="
// and values right of it, and a newline only ends something outside brackets.
type tomlLexer struct {
	brackets []byte // open ones: "[" and "{" of values, "h" and "H" of headers
	value    bool   // right of "="
}

func startTOML() scanFunc { return new(tomlLexer).scan }

func (l *tomlLexer) scan(rest string) (lexer.TokenType, int) {
	kind, n := l.next(rest)
	return tokenType(kind), n
}

func (l *tomlLexer) next(rest string) (kind, n int) {
	switch c := rest[0]; c {
	case ' ', '\t':
		return tomlSpace, len(rest) - len(strings.TrimLeft(rest, " \t"))
	case '\n':
		return l.newline(), 1
	case '\r':
		if strings.HasPrefix(rest, "\r\n") {
			return l.newline(), 2
		}
		return tomlStrange, 1
	case '#':
		if i := strings.IndexByte(rest, '\n'); i >= 0 {
			return tomlComment, i
		}
		return tomlComment, len(rest)
	case '"', '\'':
		return stringToken(rest)
	case '=':
		l.value = true
		return tomlEqual, 1
	case ',':
		l.value = l.in('[')
		return tomlComma, 1
	case '[', ']', '{', '}':
		return l.bracket(rest)
	}
	if l.value {
		return tomlAtom, atomLen(rest)
	}
	if rest[0] == '.' {
		return tomlDot, 1
	}
	if n := bareLen(rest); n > 0 {
		return tomlBare, n
	}
	return tomlStrange, runeLen(rest)
}

func (l *tomlLexer) in(bracket byte) bool {
	return len(l.brackets) > 0 && l.brackets[len(l.brackets)-1] == bracket
}

func (l *tomlLexer) newline() int {
	if len(l.brackets) > 0 {
		return tomlSpace
	}
	l.value = false
	return tomlEOL
}

func (l *tomlLexer) bracket(rest string) (kind, n int) {
	double := len(rest) > 1 && rest[1] == rest[0]
	switch c := rest[0]; {
	case c == '[' && !l.value && double:
		l.brackets = append(l.brackets, 'H')
		return tomlDoubleOpen, 2
	case c == '[' && !l.value:
		l.brackets = append(l.brackets, 'h')
		return tomlOpen, 1
	case c == '[':
		l.brackets = append(l.brackets, c)
		return tomlOpen, 1
	case c == '{':
		l.brackets, l.value = append(l.brackets, c), false
		return tomlLeftBrace, 1
	case c == ']' && l.in('H') && double:
		l.pop()
		return tomlDoubleClose, 2
	case c == ']':
		l.pop()
		return tomlClose, 1
	}
	l.pop()
	return tomlRightBrace, 1
}

func (l *tomlLexer) pop() {
	if len(l.brackets) > 0 {
		l.brackets = l.brackets[:len(l.brackets)-1]
	}
	l.value = l.in('[')
}

func stringToken(rest string) (kind, n int) {
	n, multi, _ := StringLen(rest)
	switch {
	case multi && rest[0] == '"':
		return tomlMultiBasic, n
	case multi:
		return tomlMultiLiteral, n
	case rest[0] == '"':
		return tomlBasic, n
	}
	return tomlLiteral, n
}

// StringLen returns the length of the TOML string at the start of s, which is a
// quote, with its quotes; whether it has three quotes; and whether it is closed.
// An open string ends before the end of its line, or at the end of s if it has
// three quotes.
func StringLen(s string) (n int, multi, closed bool) {
	quote := s[:1]
	multi = strings.HasPrefix(s, `"""`) || strings.HasPrefix(s, `'''`)
	stops := "'\n"
	n = 1
	switch {
	case multi && quote == `"`:
		stops, n = `"\`, 3
	case multi:
		stops, n = "'", 3
	case quote == `"`:
		stops = "\"\n\\"
	}
	for {
		i := strings.IndexAny(s[n:], stops)
		if i < 0 {
			return len(s), multi, false
		}
		n += i
		switch {
		case s[n] == '\\':
			n = min(n+2, len(s))
			if !multi && s[n-1] == '\n' {
				return n - 1, multi, false
			}
		case s[n] == '\n':
			return n, multi, false
		case !multi:
			return n + 1, multi, true
		default:
			run := len(s[n:]) - len(strings.TrimLeft(s[n:], quote))
			if run >= 3 {
				// Up to two quotes may stand directly before the closing three.
				return n + min(run, 5), multi, true
			}
			n += run
		}
	}
}

func bareLen(s string) int {
	n := segmentLen(s)
	if i := strings.IndexByte(s[:n], '.'); i >= 0 {
		return i
	}
	return n
}

// atomLen returns the length of a number, boolean or date and time. Those may
// have a space between the date and the time.
func atomLen(s string) int {
	n := atomEnd(s)
	if n == len("1979-05-27") && s[4] == '-' && s[7] == '-' && n+1 < len(s) && s[n] == ' ' && '0' <= s[n+1] && s[n+1] <= '9' {
		n += 1 + atomEnd(s[n+1:])
	}
	return n
}

func atomEnd(s string) int {
	if i := strings.IndexAny(s, " \t\r\n,[]{}#\"'="); i > 0 {
		return i
	} else if i == 0 {
		return 1
	}
	return len(s)
}
