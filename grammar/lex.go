// Package grammar has the participle grammars of everything that is written
// inside unit files: addresses, endpoints, and TOML itself where the position
// of a value is wanted. Each grammar's EBNF is a golden file in testdata.
//
// The lexers are written by hand. participle lexes the whole input before it
// parses, so a lexer here never fails: what it does not know becomes a token
// that no rule takes, and the parser reports it with its place.
package grammar

import (
	"io"
	"unicode/utf8"

	"github.com/alecthomas/participle/v2/lexer"
)

// scanFunc returns the type and the length, at least 1, of the token at the
// start of rest, which is not empty.
type scanFunc func(rest string) (lexer.TokenType, int)

// definition is a [lexer.Definition] over a scanFunc. start is called once per
// input, so that a scanFunc may keep state.
type definition struct {
	symbols map[string]lexer.TokenType
	start   func() scanFunc
}

// define returns a definition whose token types have these names, in the order
// of the constants that go with them.
func define(start func() scanFunc, names ...string) definition {
	d := definition{symbols: map[string]lexer.TokenType{"EOF": lexer.EOF}, start: start}
	for i, n := range names {
		d.symbols[n] = tokenType(i)
	}
	return d
}

// tokenType returns the type of the i-th name of a definition. participle wants
// them negative, below that of the end of the file.
func tokenType(i int) lexer.TokenType { return lexer.EOF - 1 - lexer.TokenType(i) }

// Symbols implements [lexer.Definition].
func (d definition) Symbols() map[string]lexer.TokenType { return d.symbols }

// Lex implements [lexer.Definition]. The parsers here use LexString.
func (d definition) Lex(name string, r io.Reader) (lexer.Lexer, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	return d.LexString(name, string(b))
}

// LexString implements [lexer.StringDefinition].
func (d definition) LexString(_, input string) (lexer.Lexer, error) {
	return &tokens{rest: input, scan: d.start()}, nil
}

type tokens struct {
	rest string
	at   int
	scan scanFunc
}

// Next implements [lexer.Lexer]. Positions have offsets only: a line and a
// column mean something in the file, not in a part of it.
func (t *tokens) Next() (lexer.Token, error) {
	pos := lexer.Position{Offset: t.at, Line: 1, Column: t.at + 1}
	if t.rest == "" {
		return lexer.EOFToken(pos), nil
	}
	typ, n := t.scan(t.rest)
	tok := lexer.Token{Type: typ, Value: t.rest[:n], Pos: pos}
	t.rest, t.at = t.rest[n:], t.at+n
	return tok, nil
}

// runeLen returns the length of the first character of s.
func runeLen(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return n
}
