package decode

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// unquoted is the value of a string as it stands in the text, and where each
// byte of it comes from.
type unquoted struct {
	text    string
	offsets []int // of each byte of text and of its end, in the quoted string
}

// unquote decodes a closed TOML string with its quotes. It is only used for
// positions and for the names of headers; values come from the TOML decoder.
func unquote(quoted string) unquoted {
	size := 1
	if strings.HasPrefix(quoted, `"""`) || strings.HasPrefix(quoted, `'''`) {
		size = 3
	}
	if len(quoted) < 2*size {
		return unquoted{offsets: []int{0}}
	}
	u := unquoter{raw: quoted, at: size, end: len(quoted) - size, escapes: quoted[0] == '"'}
	if size == 3 {
		u.skip("\r")
		if !u.skip("\n") {
			u.at = size // a lone CR is content
		}
	}
	for u.at < u.end {
		u.step()
	}
	return unquoted{text: string(u.text), offsets: append(u.offsets, u.end)}
}

type unquoter struct {
	raw     string
	at, end int
	escapes bool

	text    []byte
	offsets []int
}

func (u *unquoter) skip(s string) bool {
	if strings.HasPrefix(u.raw[u.at:u.end], s) {
		u.at += len(s)
		return true
	}
	return false
}

// put adds bytes that stand for the next n bytes of the raw text.
func (u *unquoter) put(text string, n int) {
	for i := range len(text) {
		u.text = append(u.text, text[i])
		u.offsets = append(u.offsets, u.at+min(i, n-1))
	}
	u.at += n
}

var escapes = map[byte]string{
	'b': "\b", 't': "\t", 'n': "\n", 'f': "\f", 'r': "\r", 'e': "\x1b", '"': `"`, '\\': `\`,
}

var hexDigits = map[byte]int{'x': 2, 'u': 4, 'U': 8}

func (u *unquoter) step() {
	if c := u.raw[u.at]; c != '\\' || !u.escapes || u.at+1 == u.end {
		u.put(u.raw[u.at:u.at+1], 1)
		return
	}
	c := u.raw[u.at+1]
	if text, ok := escapes[c]; ok {
		u.put(text, 2)
		return
	}
	if n := hexDigits[c]; n > 0 && u.at+2+n <= u.end {
		r, err := strconv.ParseUint(u.raw[u.at+2:u.at+2+n], 16, 32)
		if err != nil || r > utf8.MaxRune {
			r = utf8.RuneError
		}
		u.put(string(rune(r)), 2+n)
		return
	}
	// A backslash at the end of a line hides all white space up to the next
	// character.
	rest := u.raw[u.at+1 : u.end]
	u.at += 1 + len(rest) - len(strings.TrimLeft(rest, " \t\r\n"))
}

// within returns the bytes of the quoted string that bytes from..to of its value
// come from, and false when the value has no such bytes.
func (u unquoted) within(from, to int) (start, end int, ok bool) {
	if from < 0 || from >= to || to >= len(u.offsets) {
		return 0, 0, false
	}
	return u.offsets[from], u.offsets[to], true
}
