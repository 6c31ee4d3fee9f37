package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

// An attacker who may write to the directories of a path puts symbolic links there while
// sockets start: sometimes the start fails, sometimes it does not, and nothing is ever
// changed where the links lead.
func TestS147SymlinksDuringTheStart(t *testing.T) {
	t.Parallel()
	needRoot(t)
	for _, tt := range []struct {
		name   string
		listen string
		attack func(b *bed) error // a step of it, again and again
	}{
		{"a directory of the path", "$DIR/a/er/api.sock", func(b *bed) error {
			return swap(b.file("a"), b.file("link"))
		}},
		{"a directory that is made", "$DIR/made/er/api.sock", func(b *bed) error {
			made, away := b.file("made"), b.file("away")
			if err := os.Rename(made, away); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			if err := os.RemoveAll(away); err != nil { // meanwhile there is none
				return err
			}
			if err := os.Symlink(b.file("victim"), made); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
			return nil
		}},
		{"the node", "$DIR/a/er/api.sock", func(b *bed) error {
			link, node := b.file("a/er/link"), b.file("a/er/api.sock")
			if err := os.Symlink(b.file("victim/er/api.sock"), link); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
			if err := swap(node, link); !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return nil // there is no node at the moment
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, fmt.Sprintf(`
-- web.toml --
[[permission]]
name = "operators"
id = 2000
users = ["4001"]

# The node gets another owner and an access control list, and so does a new directory.
[[socket]]
name = "in"
type = "uds"
listen = %q
enabled = false
permissions = ["operators"]
options = { user = "4002", group = "4003", dir-user = "4002", dir-group = "4003" }
`, tt.listen))
			for _, dir := range []string{"a/er", "victim/er"} {
				if err := os.MkdirAll(b.file(dir), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Symlink(b.file("victim"), b.file("link")); err != nil {
				t.Fatal(err)
			}
			b.write("victim/er/api.sock", "precious")
			before := inodes(t, b.file("victim"))
			b.compile()
			b.start()

			stop, ended := make(chan struct{}), make(chan error, 1)
			go func() {
				for {
					select {
					case <-stop:
						ended <- nil
						return
					default:
						if err := tt.attack(b); err != nil {
							ended <- err
							return
						}
					}
				}
			}()
			outcomes := map[controlv1.Outcome]int{}
			const enough = 20
			late := time.Now().Add(patience)
			name := []string{"web@in"}
			for outcomes[controlv1.Outcome_OUTCOME_DONE] < enough || outcomes[controlv1.Outcome_OUTCOME_FAILED] < enough {
				if time.Now().After(late) {
					t.Errorf("after %v the starts ended so: %v; want %d that worked and as many that did not", patience, outcomes, enough)
					break
				}
				resp, err := b.control.Start(t.Context(), &controlv1.StartRequest{Kind: controlv1.UnitKind_UNIT_KIND_SOCKET, Names: name})
				if err != nil {
					t.Fatal(err)
				}
				outcomes[resp.GetResults()[0].GetOutcome()]++
				if _, err := b.control.Stop(t.Context(), &controlv1.StopRequest{Kind: controlv1.UnitKind_UNIT_KIND_SOCKET, Names: name}); err != nil {
					t.Fatal(err)
				}
			}
			close(stop)
			if err := <-ended; err != nil {
				t.Errorf("the attacker: %v", err)
			}
			if diff := cmp.Diff(before, inodes(t, b.file("victim"))); diff != "" {
				t.Errorf("what the links lead to has changed (-before +after):\n%s", diff)
			}
			t.Logf("starts: %v", outcomes)
			for _, dir := range []string{"a", "link", "made", "away"} { // with dead sockets that the attacker has hidden
				if err := os.RemoveAll(b.file(dir)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// swap makes each of two names that of the other's file.
func swap(one, other string) error {
	err := unix.Renameat2(unix.AT_FDCWD, one, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE)
	if err != nil {
		return &os.LinkError{Op: "exchange", Old: one, New: other, Err: err}
	}
	return nil
}

// inodes describes all files below a directory, and itself, by what changes with every
// change of a file, its attributes and its access control list: the time of the inode.
func inodes(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		files[path] = fmt.Sprintf("inode %d, mode %#o, %d:%d, %d bytes, changed %d.%09d", st.Ino, st.Mode, st.Uid, st.Gid, st.Size, st.Ctim.Sec, st.Ctim.Nsec)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
