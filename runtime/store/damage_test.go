package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"
)

// filled returns a directory with a store of many branches, of several pages and
// some free ones, and what it holds.
func filled(t *testing.T) (dir string, want []string) {
	t.Helper()
	dir = t.TempDir()
	s := must(t, dir)
	for i := range 12 {
		var changes []Change
		for j := range 50 {
			changes = append(changes, set("a@x", fmt.Sprint(i*50+j), strings.Repeat("x", 50+i)))
		}
		commit(t, s, changes...)
	}
	for i := 0; i < 600; i += 30 {
		var changes []Change
		for j := range 10 {
			changes = append(changes, gone("a@x", fmt.Sprint(i+3*j)), gone("a@x", fmt.Sprint(i+3*j+1)))
		}
		commit(t, s, changes...)
	}
	commit(t, s, set("b@y", "", strings.Repeat("large", 3000)))
	want = list(t, s)
	shut(t, s)
	return dir, want
}

// A file that was cut off is kept aside with what it had, or, if only free pages
// are missing, has everything.
func TestTruncatedFile(t *testing.T) {
	dir, want := filled(t)
	whole, err := os.ReadFile(file(dir))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 64 {
		t.Run(fmt.Sprintf("%d of 64", i), func(t *testing.T) {
			dir, content := t.TempDir(), whole[:len(whole)*i/64]
			write(t, file(dir), content)
			if keepsAside(t, dir, content) == "" {
				if i < 32 {
					t.Error("the half of the file is taken for a good one")
				}
				expect(t, must(t, dir), want...)
			}
		})
	}
}

func TestDamagedFile(t *testing.T) {
	dir, _ := filled(t)
	whole, err := os.ReadFile(file(dir))
	if err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(t.TempDir(), "foreign.db")
	makeFile(t, foreign, func(*bbolt.Tx) error { return nil })
	other, err := os.ReadFile(foreign)
	if err != nil {
		t.Fatal(err)
	}
	flip := func(text string) []byte {
		at := bytes.LastIndex(whole, []byte(text))
		if at < 0 {
			t.Fatalf("the file has no %q", text)
		}
		content := slices.Clone(whole)
		content[at] ^= 1
		return content
	}
	tests := []struct {
		name    string
		content []byte
	}{
		{"empty", nil},
		{"text", []byte("state = 1\n")},
		{"zeros", make([]byte, len(whole))},
		{"garbage", garbage(len(whole))},
		{"another database", other},
		{"both meta pages", append(make([]byte, 2*os.Getpagesize()), whole[2*os.Getpagesize():]...)},
		{"a value", flip("largelarge")},
		{"no data", append(slices.Clone(whole[:2*os.Getpagesize()]), make([]byte, len(whole)-2*os.Getpagesize())...)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, file(dir), tt.content)
			if keepsAside(t, dir, tt.content) == "" {
				t.Error("the file is taken for a good one")
			}
		})
	}
}

// Whatever byte is wrong, the process survives it: it has every branch as it was,
// or keeps the file aside.
func TestAnyByteMayBeWrong(t *testing.T) {
	dir, want := filled(t)
	whole, err := os.ReadFile(file(dir))
	if err != nil {
		t.Fatal(err)
	}
	n := 200
	if text := os.Getenv("RIND_STORE_BYTES"); text != "" {
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	aside := 0
	for i := range n {
		content := slices.Clone(whole)
		at := random.IntN(len(content))
		if i%2 == 0 { // headers and elements are at the front of pages
			at = at/os.Getpagesize()*os.Getpagesize() + random.IntN(200)
		}
		content[at] ^= byte(1 + random.IntN(255))
		dir := filepath.Join(t.TempDir(), "s")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, file(dir), content)
		logged := &logBuffer{}
		s, err := Open(Options{Dir: dir, Log: logged.logger()})
		if err != nil {
			t.Fatalf("byte %d: %v", at, err)
		}
		rest := want
		if strings.Contains(logged.String(), "last change") && len(list(t, s)) < len(want) {
			rest = want[:len(want)-1] // a meta page; see TestTornMetaPage
		}
		if s.Status().Damaged != "" {
			aside++
		} else if diff := cmp.Diff(rest, list(t, s)); diff != "" {
			t.Errorf("byte %d is wrong and so are the states (-want +got):\n%s", at, diff)
		}
		commit(t, s, set("c@z", "", "1")) // and goes on
		shut(t, s)
	}
	if aside == 0 {
		t.Error("no file was kept aside")
	}
}

// The older of two meta pages is good enough when the newer one was cut off by a
// power failure.
func TestTornMetaPage(t *testing.T) {
	dir, want := filled(t)
	content, err := os.ReadFile(file(dir))
	if err != nil {
		t.Fatal(err)
	}
	newest := 0
	first, _ := parseMeta(content)
	if second, _ := parseMeta(content[os.Getpagesize():]); second.tx > first.tx {
		newest = os.Getpagesize()
	}
	content[newest+pageHeader+metaSize-1] ^= 1
	write(t, file(dir), content)
	logged := &logBuffer{}
	s, err := Open(Options{Dir: dir, Log: logged.logger()})
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, s)
	if aside := s.Status().Damaged; aside != "" {
		t.Fatalf("kept aside as %s", aside)
	}
	if !strings.Contains(logged.String(), "the last change of states may be missing") {
		t.Errorf("the log does not say that the last change may be missing:\n%s", logged)
	}
	expect(t, s, want[:len(want)-1]...) // b@y was the last change
}

func TestTwoDamagedFilesAreKept(t *testing.T) {
	dir := t.TempDir()
	seen := map[string]bool{}
	for i := range 3 {
		content := fmt.Appendf(nil, "damage %d", i)
		write(t, file(dir), content)
		aside := keepsAside(t, dir, content)
		if aside == "" || seen[aside] {
			t.Errorf("damaged file %d is kept as %q", i, aside)
		}
		seen[aside] = true
	}
	for aside := range seen {
		if _, err := os.Stat(aside); err != nil {
			t.Error(err)
		}
	}
}

func TestNewerSchemaIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	makeFile(t, file(dir), func(tx *bbolt.Tx) error {
		info, err := tx.CreateBucket(infoBucket)
		if err != nil {
			return err
		}
		return info.Put(schemaKey, []byte("2"))
	})
	before, err := os.ReadFile(file(dir))
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(Options{Dir: dir})
	newer, ok := errors.AsType[*SchemaError](err)
	if !ok || newer.Got != 2 || newer.Want != 1 || !strings.Contains(err.Error(), file(dir)) {
		t.Errorf("Open of a newer schema: %v", err)
	}
	after, err := os.ReadFile(file(dir))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Error("the file was changed")
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != fileName && e.Name() != lockName {
			t.Errorf("%s was made", e.Name())
		}
	}
}

// A start that was interrupted leaves no half file under the name of the whole.
func TestInterruptedCreation(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, newName), []byte("half"))
	s := must(t, dir)
	if st := s.Status(); st.Damaged != "" {
		t.Errorf("status %+v, want nothing damaged", st)
	}
	if _, err := os.Stat(filepath.Join(dir, newName)); err == nil {
		t.Errorf("%s is still there", newName)
	}
	expect(t, s)
}

func garbage(n int) []byte {
	random := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n)
	if _, err := random.Read(b); err != nil {
		panic(err) // it never fails
	}
	return b
}

func makeFile(t *testing.T, path string, fill func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, fileMode, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(fill), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, fileMode); err != nil {
		t.Fatal(err)
	}
}

// keepsAside opens and closes the store in dir and returns where its file is kept
// that has the given content, or "" if it is good.
func keepsAside(t *testing.T, dir string, content []byte) string {
	t.Helper()
	logged := &logBuffer{}
	s, err := Open(Options{Dir: dir, Log: logged.logger()})
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, s)
	aside := s.Status().Damaged
	if aside == "" {
		return ""
	}
	if !strings.HasPrefix(aside, file(dir)+".damaged-") {
		t.Errorf("kept as %s", aside)
	}
	kept, err := os.ReadFile(aside)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, content) {
		t.Error("what was kept aside is not what was there")
	}
	if !strings.Contains(logged.String(), aside) {
		t.Errorf("the log says nothing of %s:\n%s", aside, logged)
	}
	expect(t, s)
	commit(t, s, set("n@n", "", "new"))
	expect(t, s, "n@n[]=new")
	return aside
}
