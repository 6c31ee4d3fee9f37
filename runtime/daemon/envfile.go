package daemon

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// maxEnvFile is how long an environment file may be.
const maxEnvFile = 1 << 20

// readEnvFile reads a file of variables, as EnvironmentFile= of systemd.exec(5)
// does. What is no assignment is left out and told in faults, since files that are
// shared with other programs have such lines.
func readEnvFile(path string) (env, faults []string, err error) {
	text, err := readBounded(path, maxEnvFile)
	if err != nil {
		return nil, nil, fmt.Errorf("env-file: %w", err)
	}
	if before, _, found := bytes.Cut(text, []byte{0}); found {
		return nil, nil, fmt.Errorf("env-file %s:%d: a NUL byte: not a text file", path, 1+bytes.Count(before, []byte{'\n'}))
	}
	r := envReader{text: string(text), line: 1}
	for r.skipBlank() {
		at := r.line
		key, ok := r.key()
		switch {
		case !ok:
			faults = append(faults, fmt.Sprintf("%s:%d: no assignment", path, at))
		case !validVariable(key):
			r.value()
			faults = append(faults, fmt.Sprintf("%s:%d: %q is no name of a variable", path, at, key))
		default:
			env = append(env, key+"="+r.value())
		}
	}
	return env, faults, nil
}

// readBounded reads a regular file, and does not wait for anything else to say
// something.
func readBounded(path string, limit int64) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s is longer than %d bytes", path, limit)
	}
	return text, err
}

// envReader reads assignments. Its rules are those of systemd:
//
//   - a line that begins with '#' or ';' is a comment, and goes on in the next line
//     after a backslash;
//   - spaces around the name and around an unquoted value do not count;
//   - a backslash takes the next character as it is, and joins lines;
//   - nothing is special within single quotes; within double quotes a backslash
//     before ", \, ` or $ is dropped, joins lines, and stays otherwise;
//   - quoted and unquoted parts of one value are joined. A quote in the middle of an
//     unquoted part is an ordinary character.
type envReader struct {
	text string
	line int
}

const (
	envSpace   = " \t"
	envNewline = "\n\r"
)

// next takes one character.
func (r *envReader) next() byte {
	c := r.text[0]
	r.text = r.text[1:]
	if c == '\n' {
		r.line++
	}
	return c
}

func (r *envReader) at(chars string) bool {
	return r.text != "" && strings.IndexByte(chars, r.text[0]) >= 0
}

// skipBlank goes to the next line that may be an assignment, and returns false at
// the end.
func (r *envReader) skipBlank() bool {
	for r.text != "" {
		switch {
		case r.at(envSpace + envNewline):
			r.next()
		case r.at("#;"):
			r.skipComment()
		default:
			return true
		}
	}
	return false
}

func (r *envReader) skipComment() {
	for r.text != "" && !r.at(envNewline) {
		if r.next() == '\\' && r.text != "" {
			r.next()
		}
	}
}

// key takes a name and the '=' after it, or a whole line without one.
func (r *envReader) key() (string, bool) {
	end := strings.IndexAny(r.text, "="+envNewline)
	if end < 0 || r.text[end] != '=' {
		if end < 0 {
			end = len(r.text)
		}
		r.text = r.text[end:]
		return "", false
	}
	key := strings.TrimRight(r.text[:end], envSpace)
	r.text = r.text[end+1:]
	return key, true
}

// value takes a value and the end of its line.
func (r *envReader) value() string {
	var b strings.Builder
	for r.text != "" {
		switch {
		case r.at(envNewline):
			r.next()
			return b.String()
		case r.at(envSpace):
			r.next()
		case r.at("'"):
			r.next()
			r.single(&b)
		case r.at(`"`):
			r.next()
			r.double(&b)
		default:
			r.bare(&b)
			return b.String()
		}
	}
	return b.String()
}

// single takes the rest of a part in single quotes.
func (r *envReader) single(b *strings.Builder) {
	for r.text != "" {
		c := r.next()
		if c == '\'' {
			return
		}
		b.WriteByte(c)
	}
}

// double takes the rest of a part in double quotes.
func (r *envReader) double(b *strings.Builder) {
	for r.text != "" {
		c := r.next()
		if c == '"' {
			return
		}
		if c != '\\' || r.text == "" {
			b.WriteByte(c)
			continue
		}
		switch c = r.next(); {
		case c == '\n':
		case strings.IndexByte("\"\\`$", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('\\')
			b.WriteByte(c)
		}
	}
}

// bare takes a part without quotes, to the end of the line.
func (r *envReader) bare(b *strings.Builder) {
	spaces := 0 // at the end, so far
	for r.text != "" {
		c := r.next()
		switch {
		case strings.IndexByte(envNewline, c) >= 0:
			r.trim(b, spaces)
			return
		case c == '\\':
			spaces = 0
			if r.text == "" {
				return
			}
			if c = r.next(); strings.IndexByte(envNewline, c) < 0 {
				b.WriteByte(c)
			}
		case strings.IndexByte(envSpace, c) >= 0:
			spaces++
			b.WriteByte(c)
		default:
			spaces = 0
			b.WriteByte(c)
		}
	}
	r.trim(b, spaces)
}

func (*envReader) trim(b *strings.Builder, spaces int) {
	text := b.String()
	b.Reset()
	b.WriteString(text[:len(text)-spaces])
}

// validVariable says whether a name is one that a shell could have set.
func validVariable(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
