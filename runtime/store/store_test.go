package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// One change for each rule of what is on disk after it.
func TestWhatIsOnDisk(t *testing.T) {
	long := strings.Repeat("k", 4*maxKey)
	tests := []struct {
		name    string
		commits [][]Change
		want    []string
	}{
		{"nothing", nil, nil},
		{"one", [][]Change{{set("a@x", "", "1")}}, []string{"a@x[]=1"}},
		{"set again", [][]Change{{set("a@x", "", "1")}, {set("a@x", "", "2")}}, []string{"a@x[]=2"}},
		{"removed", [][]Change{{set("a@x", "", "1")}, {gone("a@x", "")}}, nil},
		{"removed and never there", [][]Change{{gone("a@x", "")}}, nil},
		{"order of appearance", [][]Change{{set("a@x", "z", "1")}, {set("a@x", "a", "2")}, {set("a@x", "m", "3")}}, []string{"a@x[z]=1", "a@x[a]=2", "a@x[m]=3"}},
		{"order within one commit", [][]Change{{set("a@x", "z", "1"), set("a@x", "a", "2"), set("a@x", "m", "3")}}, []string{"a@x[z]=1", "a@x[a]=2", "a@x[m]=3"}},
		{"a change keeps the place", [][]Change{{set("a@x", "z", "1"), set("a@x", "a", "2")}, {set("a@x", "z", "3")}}, []string{"a@x[z]=3", "a@x[a]=2"}},
		{"gone in between is at the end", [][]Change{{set("a@x", "z", "1"), set("a@x", "a", "2")}, {gone("a@x", "z")}, {set("a@x", "z", "3")}}, []string{"a@x[a]=2", "a@x[z]=3"}},
		{"gone in between, within one commit", [][]Change{{set("a@x", "z", "1"), set("a@x", "a", "2")}, {gone("a@x", "z"), set("a@x", "z", "3")}}, []string{"a@x[a]=2", "a@x[z]=3"}},
		{"appeared and gone within one commit", [][]Change{{set("a@x", "z", "1"), set("a@x", "a", "2"), gone("a@x", "z")}}, []string{"a@x[a]=2"}},
		{"states by name", [][]Change{{set("b@x", "", "1"), set("a@x", "", "2")}}, []string{"a@x[]=2", "b@x[]=1"}},
		{"prefixes of names", [][]Change{{set("a@x", "y", "1"), set("a@xy", "", "2")}}, []string{"a@x[y]=1", "a@xy[]=2"}},
		{"long branches", [][]Change{{set("a@x", long+"1", "1"), set("a@x", long+"2", "2")}, {gone("a@x", long+"1")}}, []string{"a@x[" + long + "2]=2"}},
		{"a long name", [][]Change{{set(long+"@x", "b", "1")}}, []string{long + "@x[b]=1"}},
		{"markup and line ends", [][]Change{{set("a@x", "<&>\n", "<&>\u2028\x00")}}, []string{"a@x[<&>\n]=<&>\u2028\x00"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			s := must(t, dir)
			for _, changes := range tt.commits {
				commit(t, s, changes...)
			}
			expect(t, s, tt.want...)
			shut(t, s)
			expect(t, must(t, dir), tt.want...)
		})
	}
}

func TestEveryKindOfValue(t *testing.T) {
	doc, err := cond.ParseJSON([]byte(`{"n":1.0,"big":123456789012345678901234567890,"t":"<&>","l":[null,true,{}]}`))
	if err != nil {
		t.Fatal(err)
	}
	values := []cond.Value{cond.NoneValue(), cond.StringValue(""), cond.StringValue("täxt"), cond.BytesValue([]byte{0, 0xff}), cond.BytesValue(nil), doc}
	dir := t.TempDir()
	s := must(t, dir)
	for i := range values {
		commit(t, s, Change{State: "a@x", Branch: fmt.Sprint(i), Value: &values[i]})
	}
	shut(t, s)
	branches, err := must(t, dir).Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(branches) != len(values) {
		t.Fatalf("%d values are back, want %d", len(branches), len(values))
	}
	for i, b := range branches {
		if b.Err != nil || !b.Value.Equal(values[i]) {
			t.Errorf("value %d is back as %v %q (%v)", i, b.Value.Kind(), b.Value.Text(), b.Err)
		}
	}
}

// A change that cannot be saved is refused alone: it must not keep others from
// the disk.
func TestAChangeThatCannotBeSavedIsRefusedAlone(t *testing.T) {
	s := must(t, t.TempDir())
	if err := s.Commit(set("a@x", "1", "good"), set("a@x", "2", "\xff")); err == nil || !strings.Contains(err.Error(), "a@x") {
		t.Errorf("text that is not UTF-8: %v", err)
	}
	if err := s.Commit(Change{State: "a@x", Value: &cond.Value{}}); err == nil {
		t.Error("an invalid value was taken")
	}
	commit(t, s, set("a@x", "3", "fine"))
	expect(t, s, "a@x[3]=fine")
	if st := s.Status(); st.Trouble != nil || st.Unsaved != 0 {
		t.Errorf("status %+v, want no trouble", st)
	}
}

// Everything that waits goes into one transaction, and is answered in order.
func TestWhatWaitsIsOneTransaction(t *testing.T) {
	s := must(t, t.TempDir())
	commit(t, s, set("a@x", "", "0"))
	before := transaction(t, s)
	hold, held := make(chan struct{}), make(chan struct{})
	s.Submit(nil, func(error) { close(held); <-hold }) // the writer is busy
	<-held
	var mu sync.Mutex
	var order []int
	var all sync.WaitGroup
	const many = 1000
	for i := range many {
		all.Add(1)
		s.Submit([]Change{set("a@x", fmt.Sprint(i%10), fmt.Sprint(i))}, func(err error) {
			defer all.Done()
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			order = append(order, i)
		})
	}
	close(hold)
	all.Wait()
	if !slices.IsSorted(order) || len(order) != many {
		t.Errorf("%d answers, in order: %t; want %d in order", len(order), slices.IsSorted(order), many)
	}
	if n := transaction(t, s) - before; n != 1 {
		t.Errorf("%d transactions, want 1", n)
	}
}

// transaction returns the number of the last transaction.
func transaction(t *testing.T, s *Store) int {
	t.Helper()
	tx, err := s.db.Begin(false)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}()
	return tx.ID()
}

func TestClosed(t *testing.T) {
	dir := t.TempDir()
	s := must(t, dir)
	hold, held := make(chan struct{}), make(chan struct{})
	s.Submit(nil, func(error) { close(held); <-hold })
	<-held
	answer := make(chan error, 1)
	s.Submit([]Change{set("a@x", "", "late")}, func(err error) { answer <- err })
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errTest)
	if err := s.Close(ctx); !errors.Is(err, errTest) {
		t.Errorf("Close while the disk hangs: %v, want the cause of the context", err)
	}
	close(hold)
	shut(t, s)
	if err := <-answer; err != nil {
		t.Errorf("what waited at the end: %v, want it written", err)
	}
	if err := s.Commit(set("a@x", "", "too late")); !errors.Is(err, ErrClosed) {
		t.Errorf("Commit after Close: %v, want ErrClosed", err)
	}
	expect(t, must(t, dir), "a@x[]=late")
}

// Whatever is done in whatever order, a store that is opened again has what a
// simple list has.
func TestPropertyStoreIsAList(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(base, "") //nolint:usetesting // one for each of many runs
		if err != nil {
			t.Fatal(err)
		}
		var model []string // "state branch", in order of appearance
		values := map[string]string{}
		s, err := Open(Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
		}()
		t.Repeat(map[string]func(*rapid.T){
			"commit": func(t *rapid.T) {
				var changes []Change
				for range rapid.IntRange(0, 6).Draw(t, "changes") {
					c := gone(rapid.SampledFrom([]string{"a@x", "a@xy", "b@x"}).Draw(t, "state"), rapid.SampledFrom([]string{"", "1", "2", strings.Repeat("long", 500)}).Draw(t, "branch"))
					id := string(c.State) + " " + c.Branch
					if rapid.Bool().Draw(t, "remove") {
						delete(values, id)
						model = slices.DeleteFunc(model, func(have string) bool { return have == id })
					} else {
						text := strings.Repeat(rapid.StringN(1, 20, -1).Draw(t, "value"), rapid.IntRange(1, 200).Draw(t, "times"))
						v := cond.StringValue(text)
						c.Value = &v
						if !slices.Contains(model, id) {
							model = append(model, id)
						}
						values[id] = text
					}
					changes = append(changes, c)
				}
				if err := s.Commit(changes...); err != nil {
					t.Fatal(err)
				}
			},
			"reopen": func(t *rapid.T) {
				if err := s.Close(context.Background()); err != nil {
					t.Fatal(err)
				}
				var err error
				if s, err = Open(Options{Dir: dir}); err != nil {
					t.Fatal(err)
				}
				if st := s.Status(); st.Damaged != "" {
					t.Fatalf("a good file was kept aside as %s", st.Damaged)
				}
			},
			"": func(t *rapid.T) {
				branches, err := s.Load()
				if err != nil {
					t.Fatal(err)
				}
				got := map[plan.Name][]string{}
				for _, b := range branches {
					got[b.State] = append(got[b.State], b.Branch+"="+b.Value.Text())
				}
				want := map[plan.Name][]string{}
				for _, id := range model {
					state, branch, _ := strings.Cut(id, " ")
					want[plan.Name(state)] = append(want[plan.Name(state)], branch+"="+values[id])
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("on disk (-want +got):\n%s", diff)
				}
			},
		})
	})
}
