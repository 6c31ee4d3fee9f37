package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Limits of a plan. The size leaves room for the million units that rindc
// accepts; the depth is far above what any unit file compiles to.
const (
	MaxSize  = 1 << 30
	MaxDepth = 512
)

// ErrNotPlan says that a file is something else than a plan.
var ErrNotPlan = errors.New("not a plan: compile unit files with rindc build")

// VersionError says that a plan was written in a format this program cannot run.
type VersionError struct{ Got, Want int }

func (e *VersionError) Error() string {
	remedy := "recompile it with the rindc of this release"
	if e.Got > e.Want {
		remedy += ", or upgrade rindrun"
	}
	return fmt.Sprintf("plan has format version %d, but this program runs version %d: %s", e.Got, e.Want, remedy)
}

// FeatureError says that a plan needs something the program does not have.
type FeatureError struct {
	Program string   // "rindrun"
	Missing []string // names of [Features], or of later ones
}

func (e *FeatureError) Error() string {
	return fmt.Sprintf("this plan needs %s, which this %s does not have: upgrade it, or remove that from the unit files",
		enumerate(e.Missing), e.Program)
}

// enumerate joins names as a sentence does. A name that this program does not
// know is a stranger's: it is quoted, and cut when it is long.
func enumerate(names []string) string {
	const most = 50
	var shown []string
	for i, n := range names {
		if i == most {
			shown = append(shown, fmt.Sprintf("%d more", len(names)-most))
			break
		}
		if !slices.ContainsFunc(Features, func(f Feature) bool { return f.Name == n }) {
			n = fmt.Sprintf("%.40q", n)
		}
		shown = append(shown, n)
	}
	last := len(shown) - 1
	if last < 1 {
		return strings.Join(shown, "")
	}
	return strings.Join(shown[:last], ", ") + " and " + shown[last]
}

// DigestError says that a plan is not what its compiler wrote.
type DigestError struct{ Got, Want string }

func (e *DigestError) Error() string {
	return fmt.Sprintf("plan has digest %s but its header says %q, so it was edited by hand or truncated: recompile it with rindc", e.Got, e.Want)
}

// Decode returns the plan that [Plan.Encode] wrote as data, validated, for a
// program that runs it. A plan of another major version is a *[VersionError], one
// that needs a feature which the runtime does not have a *[FeatureError], one
// that was changed or cut a *[DigestError], and anything else an error that is
// [ErrNotPlan] or says what is wrong with which unit.
//
// Unknown keys are ignored: a later minor version may add some, and names in
// Requires what must not be ignored.
func Decode(data []byte) (*Plan, error) { return decode(data, "rindrun", implemented) }

// Read is [Decode] for a program that looks at the plan and does not run it: the
// plan may need everything in [Features].
func Read(data []byte) (*Plan, error) {
	known := make([]string, len(Features))
	for i, f := range Features {
		known[i] = f.Name
	}
	return decode(data, "rindc", known)
}

func decode(data []byte, program string, features []string) (*Plan, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("plan has %d bytes, at most %d are allowed: split it", len(data), MaxSize)
	}
	h, err := decodeHeader(data, program, features)
	if err != nil {
		return nil, err
	}
	if err := checkDigest(data, h.Digest); err != nil {
		return nil, err
	}
	if depth := nesting(data); depth > MaxDepth {
		return nil, fmt.Errorf("plan is nested %d deep, at most %d are allowed", depth, MaxDepth)
	}
	var b body
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&b); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("plan has something after its end: recompile it with rindc")
	}
	p := &Plan{
		Compiler: h.Compiler, Digest: h.Digest, Requires: h.Requires, Transports: h.Transports,
		Sources: b.Sources, Permissions: b.Permissions, States: b.States,
		Signals: b.Signals, Timers: b.Timers, Variables: b.Variables, Services: b.Services, Sockets: b.Sockets,
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return p, nil
}

// decodeHeader reads the first line alone, so that a plan of another version is
// named as such even when the rest of it cannot be understood.
func decodeHeader(data []byte, program string, features []string) (header, error) {
	line, _, whole := bytes.Cut(data, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte(","))
	line = append(slices.Clip(line), '}')
	var id struct {
		Format  string
		Version int
	}
	switch err := json.Unmarshal(line, &id); {
	case err == nil && id.Format == Format:
	case !bytes.Contains(data[:min(len(data), 256)], []byte(`"`+Format+`"`)):
		return header{}, ErrNotPlan
	case !whole:
		return header{}, errors.New("plan is truncated in its first line: recompile it with rindc")
	default:
		return header{}, errors.New("plan is not in its canonical form, so it was reformatted or edited by hand: recompile it with rindc")
	}
	if id.Version != Version {
		return header{}, &VersionError{Got: id.Version, Want: Version}
	}
	var h header
	if err := json.Unmarshal(line, &h); err != nil {
		return header{}, fmt.Errorf("plan header: %w", err)
	}
	missing := slices.DeleteFunc(slices.Clone(h.Requires), func(f string) bool { return slices.Contains(features, f) })
	if len(missing) > 0 {
		return header{}, &FeatureError{Program: program, Missing: missing}
	}
	return h, nil
}

func checkDigest(data []byte, want string) error {
	before, after, ok := bytes.Cut(data, []byte(string(digestKey)+want+`"`))
	if !ok {
		return &DigestError{Got: digest(data), Want: want}
	}
	if got := digest(before, digestKey, []byte(`"`), after); got != want {
		return &DigestError{Got: got, Want: want}
	}
	return nil
}

// nesting returns how deep the brackets of a JSON text are nested.
func nesting(data []byte) int {
	depth, deepest, quoted := 0, 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}
