package grammar

import (
	"iter"
	"strings"
)

// TOMLKind says what a [TOMLToken] is.
type TOMLKind uint8

// Kinds of tokens. The zero TOMLKind is invalid.
const (
	_           TOMLKind = iota
	TOMLSpace            // blanks and tabs
	TOMLNewline          // one line break
	TOMLComment          // from # to the end of its line, a carriage return included
	TOMLWord             // a part of a key, or a value without brackets
	TOMLPunct            // . = , [ ] [[ ]] { }
	TOMLStrange          // what TOML does not have
)

// TOMLToken is a piece of TOML. The tokens of a text are the text.
type TOMLToken struct {
	Kind TOMLKind
	Text string
}

// TOMLTokens yields the tokens of text, which may be anything: the lexer does
// not know what is valid.
func TOMLTokens(text string) iter.Seq[TOMLToken] {
	return func(yield func(TOMLToken) bool) {
		for l := (tomlLexer{}); text != ""; {
			kind, n := l.next(text)
			if !yield(TOMLToken{Kind: tomlKind(kind, text[:n]), Text: text[:n]}) {
				return
			}
			text = text[n:]
		}
	}
}

func tomlKind(kind int, text string) TOMLKind {
	switch kind {
	case tomlSpace, tomlEOL: // inside brackets, a line break is space to the parser
		if strings.HasSuffix(text, "\n") {
			return TOMLNewline
		}
		return TOMLSpace
	case tomlComment:
		return TOMLComment
	case tomlBare, tomlBasic, tomlLiteral, tomlMultiBasic, tomlMultiLiteral, tomlAtom:
		return TOMLWord
	case tomlStrange:
		return TOMLStrange
	}
	return TOMLPunct
}
