// Package lock has the lock file of third-party transports: which plugins the
// unit files are compiled for, what their manifests say, and which executables the
// runtime may start. It is written by rindc plugins lock, committed beside the unit
// files, and enough to compile them where no plugin is installed.
package lock

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/BurntSushi/toml"

	"github.com/rind-sockets/rind/plugins"
	"github.com/rind-sockets/rind/plugins/manifest"
)

// FileName is the usual name of a lock file.
const FileName = "rind.lock.toml"

// Format is the only value of the key lock that this package reads.
const Format = 1

// MaxSize is the largest lock file in bytes: the manifests of a hundred plugins.
const MaxSize = 8 << 20

// AnyPlatform is the platform of an executable that is no machine code, such as a
// script.
const AnyPlatform = "any"

// File is a lock file. The zero File locks nothing.
type File struct {
	Plugins []Plugin // sorted by name
}

// Plugin is one locked plugin.
type Plugin struct {
	Manifest *manifest.Manifest // with its executables
	Text     []byte             // of the manifest
}

// NewPlugin returns a plugin without executables.
func NewPlugin(text []byte) (Plugin, error) {
	m, err := manifest.Parse(text)
	if err != nil {
		return Plugin{}, err
	}
	m.Executables = map[string]string{}
	return Plugin{Manifest: m, Text: text}, nil
}

// file is a lock file as written.
type file struct {
	Lock   int      `toml:"lock"`
	Plugin []plugin `toml:"plugin"`
}

type plugin struct {
	Name           string            `toml:"name"`
	Version        string            `toml:"version"`
	ManifestSHA256 string            `toml:"manifest-sha256"`
	Manifest       string            `toml:"manifest"`
	Executables    map[string]string `toml:"executables"`
}

var (
	platformRE = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(any|linux-[a-z0-9]{1,16})$`) })
	sumRE      = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^sha256:[0-9a-f]{64}$`) })
)

// Parse reads a lock file. It is strict: a key that it does not know is an error.
func Parse(text []byte) (*File, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("lock file: %d bytes, want at most %d", len(text), MaxSize)
	}
	var raw file
	md, err := toml.NewDecoder(bytes.NewReader(text)).Decode(&raw)
	if err != nil {
		return nil, fmt.Errorf("lock file: %w", err)
	}
	for _, k := range md.Undecoded() {
		return nil, fmt.Errorf("lock file: unknown key %s", k)
	}
	if raw.Lock != Format {
		return nil, fmt.Errorf("lock file: lock = %d, want %d: use the rindc that wrote it", raw.Lock, Format)
	}
	f := &File{}
	for _, p := range raw.Plugin {
		locked, err := p.plugin()
		if err != nil {
			return nil, fmt.Errorf("lock file: plugin %q: %w", p.Name, err)
		}
		f.Plugins = append(f.Plugins, locked)
	}
	slices.SortFunc(f.Plugins, byName)
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("lock file: %w", err)
	}
	return f, nil
}

func byName(a, b Plugin) int { return cmp.Compare(a.Manifest.Name, b.Manifest.Name) }

func (p *plugin) plugin() (Plugin, error) {
	out, err := NewPlugin([]byte(p.Manifest))
	if err != nil {
		return Plugin{}, err
	}
	const again = "the file was edited: run rindc plugins lock again"
	switch m := out.Manifest; {
	case m.SHA256 != p.ManifestSHA256:
		return Plugin{}, fmt.Errorf("its manifest has the digest %s, not %q: %s", m.SHA256, p.ManifestSHA256, again)
	case m.Name != p.Name || m.Version != p.Version:
		return Plugin{}, fmt.Errorf("its manifest is that of %s %s, not of version %q: %s", m.Name, m.Version, p.Version, again)
	case len(p.Executables) == 0:
		return Plugin{}, errors.New("it has no executables: " + again)
	}
	for platform, sum := range p.Executables {
		if !platformRE().MatchString(platform) || !sumRE().MatchString(sum) {
			return Plugin{}, fmt.Errorf("executables: %s = %q, want a platform such as linux-amd64 and sha256: with 64 hex digits", platform, sum)
		}
	}
	out.Manifest.Executables = p.Executables
	return out, nil
}

// check finds plugins that contradict each other or the transports of the release.
func (f *File) check() error {
	holders := map[string]string{}
	for _, m := range plugins.Builtin() {
		for i := range m.Schemes {
			holders[m.Schemes[i].Name] = "the release"
		}
	}
	for i, p := range f.Plugins {
		m := p.Manifest
		if i > 0 && f.Plugins[i-1].Manifest.Name == m.Name {
			return fmt.Errorf("plugin %q is there twice", m.Name)
		}
		for j := range m.Schemes {
			name := m.Schemes[j].Name
			if other, taken := holders[name]; taken {
				return fmt.Errorf("plugin %q brings the socket type %q, which %s has already", m.Name, name, other)
			}
			holders[name] = fmt.Sprintf("plugin %q", m.Name)
		}
	}
	return nil
}

// Manifests returns the manifests of all plugins, by name.
func (f *File) Manifests() []*manifest.Manifest {
	out := make([]*manifest.Manifest, len(f.Plugins))
	for i, p := range f.Plugins {
		out[i] = p.Manifest
	}
	return out
}

// Add locks an executable of a plugin. Executables for other platforms that were
// locked with the same manifest stay; with another manifest they go, since they
// are of another build. The change is for people; it is empty when there is none.
func (f *File) Add(p Plugin, platform, sum string) (change string, err error) {
	if !platformRE().MatchString(platform) || !sumRE().MatchString(sum) {
		return "", fmt.Errorf("lock plugin %q: platform %q with the checksum %q, want one such as linux-amd64 and sha256: with 64 hex digits",
			p.Manifest.Name, platform, sum)
	}
	i := slices.IndexFunc(f.Plugins, func(q Plugin) bool { return q.Manifest.Name == p.Manifest.Name })
	next := &File{Plugins: slices.Clone(f.Plugins)}
	m := *p.Manifest
	m.Executables = map[string]string{platform: sum}
	switch {
	case i < 0:
		change = fmt.Sprintf("%s %s for %s is new", m.Name, m.Version, platform)
		next.Plugins = append(next.Plugins, Plugin{Manifest: &m, Text: p.Text})
	case f.Plugins[i].Manifest.SHA256 != m.SHA256:
		change = fmt.Sprintf("%s %s for %s replaces %s", m.Name, m.Version, platform, f.Plugins[i].Manifest.Version)
		next.Plugins[i] = Plugin{Manifest: &m, Text: p.Text}
	default:
		before, known := f.Plugins[i].Manifest.Executables[platform]
		switch {
		case before == sum:
		case known:
			change = fmt.Sprintf("%s %s for %s has another executable: %s, before %s", m.Name, m.Version, platform, sum, before)
		default:
			change = fmt.Sprintf("%s %s for %s is new", m.Name, m.Version, platform)
		}
		m.Executables = maps.Clone(f.Plugins[i].Manifest.Executables)
		m.Executables[platform] = sum
		next.Plugins[i].Manifest = &m
	}
	slices.SortFunc(next.Plugins, byName)
	if err := next.check(); err != nil {
		return "", fmt.Errorf("lock: %w", err)
	}
	*f = *next
	return change, nil
}

const header = `# Written by "rindc plugins lock"; commit it, and do not edit it. It says which
# transport plugins the unit files here are compiled for, and which executables of
# them rindrun may start.
lock = 1
`

// Encode returns the text of the file, the same for the same content.
func (f *File) Encode() []byte {
	var b strings.Builder
	b.WriteString(header)
	for _, p := range f.Plugins {
		m := p.Manifest
		fmt.Fprintf(&b, "\n[[plugin]]\nname = %s\nversion = %s\nmanifest-sha256 = %s\nmanifest = %s\n",
			quote(m.Name), quote(m.Version), quote(m.SHA256), quoteText(p.Text))
		b.WriteString("\n[plugin.executables]\n")
		for _, platform := range slices.Sorted(maps.Keys(m.Executables)) {
			fmt.Fprintf(&b, "%s = %s\n", platform, quote(m.Executables[platform]))
		}
	}
	return []byte(b.String())
}

// quoteText writes a text so that people can read it, where TOML allows that.
func quoteText(text []byte) string {
	s := string(text)
	plain := func(r rune) bool { return r == '\n' || r == '\t' || r >= ' ' && r != 0x7F }
	unfit := strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) >= 0
	if unfit || !utf8.ValidString(s) || strings.Contains(s, "'''") || strings.HasSuffix(s, "'") {
		return quote(s)
	}
	return "'''\n" + s + "'''"
}

// quote writes a basic string.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7F:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// Sum writes the digest of an executable as lock files do.
func Sum(digest []byte) string { return "sha256:" + hex.EncodeToString(digest) }
