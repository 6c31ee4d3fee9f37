package proc

import (
	"fmt"
	"maps"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// table is a model of a descriptor table: what each number refers to.
type table map[int]string

func (t table) lowest(from int) int {
	for t[from] != "" {
		from++
	}
	return from
}

// run carries out the steps of pack on the model.
func (t table) run(steps []step) error {
	args := make([][6]arg, len(steps))
	for i := range steps {
		args[i] = steps[i].args
	}
	for i, st := range steps {
		a := func(k int) int { return int(int64(args[i][k].value)) }
		var result int
		switch {
		case st.nr == unix.SYS_SETSID:
		case st.nr == unix.SYS_OPENAT:
			result = t.lowest(0)
			t[result] = "null"
		case st.nr == unix.SYS_FCNTL && a(1) == unix.F_DUPFD_CLOEXEC && t[a(0)] != "":
			result = t.lowest(a(2))
			t[result] = t[a(0)]
		case st.nr == unix.SYS_FCNTL && a(1) == unix.F_SETFD && a(2) == 0 && t[a(0)] != "":
		case st.nr == unix.SYS_DUP3 && t[a(0)] != "" && a(0) != a(1):
			result = a(1)
			t[result] = t[a(0)]
		default:
			return fmt.Errorf("step %d, %s, with arguments %v", i, &st, args[i])
		}
		if st.feeds != 0 {
			if st.feeds <= i {
				return fmt.Errorf("step %d feeds step %d", i, st.feeds)
			}
			args[st.feeds][0] = arg{value: uint64(result)}
		}
	}
	return nil
}

// S77 for every table and every choice of sources: each place holds what the
// source held before.
func TestS77PackInModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := table{}
		for _, fd := range rapid.SliceOfN(rapid.IntRange(0, 14), 1, 15).Draw(t, "open") {
			before[fd] = fmt.Sprint("file ", fd)
		}
		source := rapid.SampledFrom(keys(before))
		j := &job{}
		var want []string
		for i := range j.Stdio {
			j.Stdio[i] = rapid.OneOf(rapid.Just(Null), source).Draw(t, stdioNames[i])
			want = append(want, before.name(j.Stdio[i]))
		}
		for range rapid.IntRange(0, 10).Draw(t, "files") {
			fd := source.Draw(t, "file")
			j.Files = append(j.Files, File{FD: fd})
			want = append(want, before.name(fd))
		}
		s := &script{image: newImage()}
		s.session() // so that no step of pack is step 0, which cannot be fed
		s.pack(j)
		after := maps.Clone(before)
		if err := after.run(s.steps); err != nil {
			t.Fatal(err)
		}
		for place, name := range want {
			if after[place] != name {
				t.Fatalf("place %d holds %q, want %q", place, after[place], name)
			}
		}
	})
}

func keys(t table) (fds []int) {
	for fd := range 15 {
		if t[fd] != "" {
			fds = append(fds, fd)
		}
	}
	return fds
}

func (t table) name(fd int) string {
	if fd == Null {
		return "null"
	}
	return t[fd]
}
