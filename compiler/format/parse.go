package format

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/rind-sockets/rind/grammar"
)

// item is a line of a file or an element of a list: a comment alone, a header, a
// value of an array, or a key and its value.
type item struct {
	blank   bool // there is a blank line above
	kind    kind
	text    string // of a comment or header; the key of a value, if it has one
	value   *value
	comment string // behind it, on its line

	// directed says that a comment for rindc, behind it or above it, is about the
	// line of the item, which must not become several then.
	directed bool
}

type kind uint8

const (
	_           kind = iota
	commentItem      // # comment
	unitItem         // [[socket]]
	tableItem        // [socket.options]
	valueItem        // key = value, or value
)

// value is a string, number, boolean, date, or a list: an array or an inline
// table.
type value struct {
	text string // "" for a list

	open, closing string // brackets
	head          string // comment behind the opening bracket
	items         []item // comments and values

	// broken says that the list must not be on one line: it, or one in it, has a
	// comment or was written with a line break after the opening bracket. spread
	// says that there was a line break anywhere.
	broken, spread bool

	// What the value needs on one line: the number of characters up to its end
	// or to the first line break, which only strings have then.
	width int
	multi bool // there is such a line break
}

// parse returns the items of text, which has been decoded before: an error means
// that the decoder and the grammar do not agree.
func parse(text string) ([]item, error) {
	var p parser
	for tok := range grammar.TOMLTokens(text) {
		if tok.Kind != grammar.TOMLSpace {
			p.tokens = append(p.tokens, tok)
		}
	}
	return p.file()
}

type parser struct {
	tokens []grammar.TOMLToken // without spaces
	at     int
}

// peek returns the next token, or the zero token at the end.
func (p *parser) peek() grammar.TOMLToken {
	if p.at == len(p.tokens) {
		return grammar.TOMLToken{}
	}
	return p.tokens[p.at]
}

func (p *parser) next() grammar.TOMLToken {
	tok := p.peek()
	p.at = min(p.at+1, len(p.tokens))
	return tok
}

func (p *parser) isPunct(text string) bool {
	tok := p.peek()
	return tok.Kind == grammar.TOMLPunct && tok.Text == text
}

func (p *parser) expect(text string) error {
	if !p.isPunct(text) {
		return p.unexpected()
	}
	p.at++
	return nil
}

func (p *parser) unexpected() error {
	if p.at == len(p.tokens) {
		return errors.New("the text ends in the middle of something")
	}
	return fmt.Errorf("%q is not understood", p.peek().Text)
}

// file parses a whole file.
func (p *parser) file() ([]item, error) {
	l := list{lines: 1}
	for p.at < len(p.tokens) {
		if l.trivia(p) {
			continue
		}
		if l.lines == 0 {
			return nil, p.unexpected() // two on one line
		}
		it, err := p.line()
		if err != nil {
			return nil, err
		}
		l.add(it)
	}
	return l.items, nil
}

// line parses a header or a pair.
func (p *parser) line() (item, error) {
	for _, open := range []string{"[[", "["} {
		if !p.isPunct(open) {
			continue
		}
		p.at++
		key, err := p.key()
		if err != nil {
			return item{}, err
		}
		closing := strings.Repeat("]", len(open))
		it := item{kind: tableItem, text: open + strings.Join(key, ".") + closing}
		if len(key) == 1 {
			it.kind = unitItem
		}
		return it, p.expect(closing)
	}
	return p.pair()
}

func (p *parser) pair() (item, error) {
	key, err := p.key()
	if err != nil {
		return item{}, err
	}
	if err := p.expect("="); err != nil {
		return item{}, err
	}
	v, err := p.value()
	return item{kind: valueItem, text: strings.Join(key, "."), value: v}, err
}

func (p *parser) key() ([]string, error) {
	var parts []string
	for {
		if p.peek().Kind != grammar.TOMLWord {
			return nil, p.unexpected()
		}
		parts = append(parts, p.next().Text)
		if !p.isPunct(".") {
			return parts, nil
		}
		p.at++
	}
}

func (p *parser) value() (*value, error) {
	switch {
	case p.peek().Kind == grammar.TOMLWord:
		v := &value{text: p.next().Text}
		v.grow(v.text)
		return v, nil
	case p.isPunct("["):
		return p.list("[", "]", func() (item, error) {
			v, err := p.value()
			return item{kind: valueItem, value: v}, err
		})
	case p.isPunct("{"):
		return p.list("{ ", " }", p.pair)
	}
	return nil, p.unexpected()
}

// list parses an array or an inline table. The brackets are those to print; the
// token is their only character that is no space.
func (p *parser) list(open, closing string, element func() (item, error)) (*value, error) {
	p.at++
	v := &value{open: open, closing: closing}
	var l list
	for end := strings.TrimSpace(closing); !p.isPunct(end); {
		switch {
		case len(l.items) == 0 && l.lines == 0 && v.head == "" && p.peek().Kind == grammar.TOMLComment:
			v.head = comment(p.next())
		case l.trivia(p):
			v.broken = v.broken || l.startsBroken()
			v.spread = v.spread || l.lines > 0
		case p.isPunct(",") && len(l.items) > 0:
			p.at++
			l.lines = 0 // a comment from here to the end of the line is about the item before
		default:
			it, err := element()
			if err != nil {
				return nil, err
			}
			v.spread = v.spread || it.value.spread
			l.add(it)
		}
	}
	p.at++
	v.items = l.items
	v.measure()
	return v, nil
}

// measure computes whether and how the list fits on one line.
func (v *value) measure() {
	if len(v.items) == 0 && v.head == "" {
		v.open, v.closing, v.broken = v.open[:1], v.closing[len(v.closing)-1:], false
	}
	v.broken = v.broken || v.head != ""
	v.grow(v.open)
	for i := range v.items {
		it := &v.items[i]
		if i > 0 {
			v.grow(", ")
		}
		if it.kind == commentItem || it.comment != "" || it.value.broken {
			v.broken = true
			return // the width does not matter
		}
		if it.text != "" {
			v.grow(it.text + " = ")
		}
		if !v.multi {
			v.width += it.value.width
			v.multi = it.value.multi
		}
	}
	v.grow(v.closing)
}

// grow adds text to the end of what the value needs on one line.
func (v *value) grow(text string) {
	if v.multi {
		return
	}
	line, _, multi := strings.Cut(text, "\n")
	v.width += utf8.RuneCountInString(line)
	v.multi = multi
}

// list collects items and what is between them.
type list struct {
	items []item
	lines int // line breaks since the last item or comment
}

func (l *list) add(it item) {
	it.blank = l.lines > 1 && len(l.items) > 0
	for i := len(l.items) - 1; it.kind == valueItem && i >= 0 && l.items[i].kind == commentItem; i-- {
		it.directed = it.directed || forRindc(l.items[i].text)
	}
	l.items = append(l.items, it)
	l.lines = 0
}

// startsBroken reports whether there has been a line break before the first item.
func (l *list) startsBroken() bool { return len(l.items) == 0 && l.lines > 0 }

// trivia takes a line break or a comment, if there is one.
func (l *list) trivia(p *parser) bool {
	switch p.peek().Kind { //nolint:exhaustive // the others are no trivia
	case grammar.TOMLNewline:
		p.at++
		l.lines++
		return true
	case grammar.TOMLComment:
		text := comment(p.next())
		if n := len(l.items); l.lines == 0 && n > 0 && l.items[n-1].kind != commentItem && l.items[n-1].comment == "" {
			l.items[n-1].comment = text
			l.items[n-1].directed = l.items[n-1].directed || forRindc(text)
		} else {
			l.add(item{kind: commentItem, text: text})
		}
		return true
	}
	return false
}

// forRindc reports whether a comment is one that rindc reads, such as
// "# rindc:ignore F5401 reason".
func forRindc(comment string) bool {
	return strings.HasPrefix(strings.TrimLeft(comment, "# \t"), "rindc:")
}

// comment returns the text of a comment without what is invisible at its end.
func comment(tok grammar.TOMLToken) string { return strings.TrimRight(tok.Text, " \t\r") }
