package lock_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rind-sockets/rind/plugins/lock"
)

var (
	sumA = "sha256:" + strings.Repeat("a", 64)
	sumB = "sha256:" + strings.Repeat("b", 64)
)

func text(name, version, scheme string) []byte {
	return []byte("manifest = 1 # \\ \"it's\"\nname = '" + name + "'\nversion = '" + version + "'\nprotocol = [1]\n[[scheme]]\nname = '" + scheme + "'\n")
}

func plugin(t *testing.T, text []byte) lock.Plugin {
	t.Helper()
	p, err := lock.NewPlugin(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAdd(t *testing.T) {
	f := &lock.File{}
	v1, v2 := text("vsock", "1.0.0", "vsock"), text("vsock", "1.1.0", "vsock")
	steps := []struct {
		text          []byte
		platform, sum string
		change        string
	}{
		{v1, "linux-amd64", sumA, "vsock 1.0.0 for linux-amd64 is new"},
		{v1, "linux-amd64", sumA, ""},
		{v1, "linux-arm64", sumB, "vsock 1.0.0 for linux-arm64 is new"},
		{v1, "linux-arm64", sumA, "vsock 1.0.0 for linux-arm64 has another executable: " + sumA + ", before " + sumB},
		{text("audio", "1.0.0", "audio"), "any", sumA, "audio 1.0.0 for any is new"},
		{v2, "linux-amd64", sumB, "vsock 1.1.0 for linux-amd64 replaces 1.0.0"},
	}
	for _, s := range steps {
		change, err := f.Add(plugin(t, s.text), s.platform, s.sum)
		if err != nil || change != s.change {
			t.Errorf("Add = %q, %v, want %q", change, err, s.change)
		}
		// What is written is read as the same.
		again, err := lock.Parse(f.Encode())
		if err != nil {
			t.Fatalf("Parse: %v\n%s", err, f.Encode())
		}
		if diff := cmp.Diff(string(f.Encode()), string(again.Encode())); diff != "" {
			t.Errorf("Encode of Parse (-want +got):\n%s", diff)
		}
	}
	got := map[string]map[string]string{}
	for _, m := range f.Manifests() {
		got[m.Name+" "+m.Version] = m.Executables
	}
	want := map[string]map[string]string{"audio 1.0.0": {"any": sumA}, "vsock 1.1.0": {"linux-amd64": sumB}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("locked (-want +got):\n%s", diff)
	}
}

func TestAddErrors(t *testing.T) {
	f := &lock.File{}
	if _, err := f.Add(plugin(t, text("vsock", "1.0.0", "vsock")), "any", sumA); err != nil {
		t.Fatal(err)
	}
	before := string(f.Encode())
	tests := []struct {
		name          string
		text          []byte
		platform, sum string
		want          string
	}{
		{"platform", text("x", "1.0.0", "x"), "windows", sumA, `platform "windows"`},
		{"checksum", text("x", "1.0.0", "x"), "any", "sha256:00", `checksum "sha256:00"`},
		{"scheme of the release", text("x", "1.0.0", "tcp"), "any", sumA, `plugin "x" brings the socket type "tcp", which the release has already`},
		{"scheme of another", text("x", "1.0.0", "vsock"), "any", sumA, `brings the socket type "vsock", which plugin "vsock" has already`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := f.Add(plugin(t, tt.text), tt.platform, tt.sum)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Add: %v, want %q", err, tt.want)
			}
			if string(f.Encode()) != before {
				t.Error("the file has changed")
			}
		})
	}
}

// TestAwkwardManifests has texts that TOML does not take as they are.
func TestAwkwardManifests(t *testing.T) {
	base := string(text("vsock", "1.0.0", "vsock"))
	for name, s := range map[string]string{
		"carriage returns": strings.ReplaceAll(base, "\n", "\r\n"),
		"three quotes":     base + "# '''\n",
		"quote at the end": base + "# '",
		"no final newline": strings.TrimSuffix(base, "\n"),
		"newline first":    "\n" + base,
	} {
		t.Run(name, func(t *testing.T) {
			f := &lock.File{}
			if _, err := f.Add(plugin(t, []byte(s)), "any", sumA); err != nil {
				t.Fatal(err)
			}
			again, err := lock.Parse(f.Encode())
			if err != nil {
				t.Fatalf("Parse: %v\n%s", err, f.Encode())
			}
			if got := string(again.Plugins[0].Text); got != s {
				t.Errorf("the manifest is %q, want %q", got, s)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	f := &lock.File{}
	if _, err := f.Add(plugin(t, text("vsock", "1.0.0", "vsock")), "any", sumA); err != nil {
		t.Fatal(err)
	}
	good := string(f.Encode())
	tests := []struct{ name, in, want string }{
		{"no TOML", "lock", "lock file: toml: "},
		{"no format", "", "lock file: lock = 0, want 1"},
		{"newer", strings.Replace(good, "lock = 1", "lock = 2", 1), "lock file: lock = 2, want 1: use the rindc that wrote it"},
		{"unknown key", good + "[[plugin]]\nsource = 'x'\n", "lock file: unknown key"},
		{"edited manifest", strings.Replace(good, "protocol = [1]", "protocol = [1, 2]", 1), "its manifest has the digest sha256:"},
		{"other version", strings.Replace(good, `version = "1.0.0"`, `version = "1.0.1"`, 1), `its manifest is that of vsock 1.0.0, not of version "1.0.1"`},
		{"bad checksum", strings.Replace(good, sumA, "sha256:AA", 1), `executables: any = "sha256:AA"`},
		{"no executables", strings.Replace(good, "any = ", "# any = ", 1), "it has no executables"},
		{"twice", good + strings.SplitN(good, "\n\n", 2)[1], `plugin "vsock" is there twice`},
		{"too large", strings.Repeat("#", lock.MaxSize+1), "want at most"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := lock.Parse([]byte(tt.in)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Parse: %v, want %q", err, tt.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("lock = 1\n[[plugin]]\nname = 'x'\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := lock.Parse(text)
		if err != nil {
			return
		}
		if _, err := lock.Parse(got.Encode()); err != nil {
			t.Errorf("Parse of Encode: %v", err)
		}
	})
}
