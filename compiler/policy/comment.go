package policy

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/grammar"
)

const (
	prefix = "rindc:" // of every comment that is for us
	ignore = "ignore"
	form   = "write `# rindc:ignore CODE reason`"

	maxComments = 10_000 // of a file that are looked at
)

// scope is how much of its file a directive is about.
type scope uint8

const (
	fileScope scope = iota
	lineScope       // what is reported on a line
	unitScope       // what is reported in the unit whose header is on a line
)

// key is what a directive is for. Of several with one key the first is used.
type key struct {
	file  *source.File
	code  diag.Code
	scope scope
	line  int
}

// directive is a suppression comment.
type directive struct {
	at     source.Span // the comment
	code   diag.Code
	reason string
	used   bool
}

// suppressor has the directives of all files.
type suppressor struct {
	find   Finder
	lookup func(diag.Code) (diag.Info, bool)
	byKey  map[key]*directive
	all    []*directive
}

// directive returns the directive that suppresses d, which is used by it, or nil.
func (s *suppressor) directive(d diag.Diagnostic) *directive {
	if len(s.byKey) == 0 {
		return nil
	}
	at := d.Where(s.find.Locate)
	if at.IsZero() {
		return nil
	}
	line, _ := at.File.Position(at.Start)
	keys := []key{{at.File, d.Code, lineScope, line}, {at.File, d.Code, fileScope, 0}}
	if !d.At.IsZero() {
		header := d.At.Line()
		keys = []key{keys[0], {at.File, d.Code, unitScope, header}, keys[1]}
	}
	for _, k := range keys {
		if by, ok := s.byKey[k]; ok {
			by.used = true
			return by
		}
	}
	return nil
}

// unused returns a warning for each directive that has suppressed nothing,
// except for those that could only have in a strict check when this is none.
func (s *suppressor) unused(strict bool) []diag.Diagnostic {
	var ds []diag.Diagnostic
	for _, d := range s.all {
		if info, _ := s.lookup(d.code); !d.used && (strict || !info.Strict) {
			ds = append(ds, diag.Diagnostic{
				Code: diag.UnusedIgnore, Severity: diag.Warning, Span: d.at,
				Message: fmt.Sprintf("this comment suppresses nothing: %s is not reported here", d.code),
				Help:    "remove the comment",
			})
		}
	}
	return ds
}

// read reads the directives of a file and reports those that are wrong.
func (s *suppressor) read(f *source.File, ds *diag.List) {
	if !bytes.Contains(f.Text, []byte(prefix)) {
		return
	}
	found := comments(string(f.Text))
	if len(found) > maxComments {
		ds.Add(diag.Diagnostic{
			Code: diag.TooManyIgnores, Severity: diag.Error,
			Span:    source.Span{File: f, Start: found[maxComments].start, End: found[maxComments].start + len(found[maxComments].text)},
			Message: fmt.Sprintf("the file has more than %d comments for rindc", maxComments),
			Help:    "write one at the top of the file, with a blank line below it",
		})
		found = found[:maxComments]
	}
	for _, c := range found {
		d := &directive{at: source.Span{File: f, Start: c.start, End: c.start + len(c.text)}}
		if message, help := d.parse(c.text, s.lookup); message != "" {
			ds.Add(diag.Diagnostic{
				Code: diag.InvalidIgnore, Severity: diag.Error, Span: d.at, Message: message, Help: help,
			})
		}
		if d.code == "" {
			continue
		}
		s.all = append(s.all, d)
		for _, k := range c.keys(f, d.code) {
			if _, taken := s.byKey[k]; !taken {
				s.byKey[k] = d
			}
		}
	}
}

// parse reads a comment. A directive that only lacks its reason gets its code
// nevertheless: one mistake is to be reported, not two.
func (d *directive) parse(text string, lookup func(diag.Code) (diag.Info, bool)) (message, help string) {
	what, rest := cutWord(strings.TrimLeft(text, marks))
	if what == prefix {
		return "the comment does not say what to do", form
	}
	if what != prefix+ignore {
		return fmt.Sprintf("there is no comment %q", what), form
	}
	word, reason := cutWord(rest)
	code := diag.Code(word)
	info, known := lookup(code)
	switch {
	case word == "":
		return "the comment does not say which code to ignore", form
	case strings.Contains(word, ","):
		return "a comment is about one code", "write one for each code: " + strings.TrimPrefix(form, "write ")
	case !known:
		return fmt.Sprintf("there is no code %q", word), form + "; `rindc explain` lists the codes"
	case !info.Ignorable():
		return fmt.Sprintf("%s cannot be ignored", code), "correct the error: the units have no meaning with it"
	}
	d.code, d.reason = code, reason
	if reason == "" {
		return fmt.Sprintf("the comment does not say why %s is ignored", code), form
	}
	return "", ""
}

// cutWord returns the first word of s and the rest, both without blanks around.
func cutWord(s string) (word, rest string) {
	s = strings.Trim(s, " \t\r")
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i], strings.TrimLeft(s[i:], " \t")
	}
	return s, ""
}

// comment is a comment that begins with the prefix.
type comment struct {
	text  string // from "#" to the end of the line
	start int

	alone bool // on its line
	next  int  // of one that is alone: the byte behind it that is neither blank nor comment
	top   bool // of one that is alone: there is nothing before it, and a blank line before next
}

// keys returns what a directive with a code is for.
func (c comment) keys(f *source.File, code diag.Code) []key {
	if c.top {
		return []key{{file: f, code: code, scope: fileScope}}
	}
	at := c.start
	if c.alone {
		at = c.next
	}
	line, _ := f.Position(at)
	keys := []key{{f, code, lineScope, line}}
	if c.alone {
		keys = append(keys, key{f, code, unitScope, line})
	}
	return keys
}

// marks is what may stand before the prefix in a comment.
const marks = "# \t"

// comments returns the comments of a TOML file that are for us. What stands
// behind a string that is never closed is not found.
func comments(text string) []comment {
	var found []comment
	var (
		first   int  // of the comments of this block that are alone on their lines
		apart   int  // the first of those that no blank line separates from what follows
		content bool // there is something else before this byte
		begun   bool // there is something on this line
		blank   bool // there is nothing else on this line
	)
	blank = true
	settle := func(at int) {
		for i := first; i < len(found); i++ {
			found[i].next = at
			found[i].top = !content && (i < apart || at == len(text))
		}
	}
	for at := len(text) - len(strings.TrimPrefix(text, source.BOM)); at < len(text); {
		switch c := text[at]; c {
		case '\n':
			if !begun {
				apart = len(found)
			}
			begun, blank = false, true
			at++
		case ' ', '\t', '\r':
			at++
		case '#':
			line, _, _ := strings.Cut(text[at:], "\n")
			if strings.HasPrefix(strings.TrimLeft(line, marks), prefix) {
				found = append(found, comment{text: strings.TrimRight(line, "\r"), start: at, alone: blank})
				if !blank {
					first = len(found)
				}
			}
			begun = true
			at += len(line)
		default:
			if blank {
				settle(at)
				first, apart = len(found), len(found)
			}
			content, begun, blank = true, true, false
			n := 1
			if c == '"' || c == '\'' {
				n, _, _ = grammar.StringLen(text[at:])
			}
			at += n
		}
	}
	settle(len(text))
	return found
}
