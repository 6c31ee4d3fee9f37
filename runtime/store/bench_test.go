package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// way is how the same changes are made durable in different ways.
type way struct {
	name   string
	open   func(tb testing.TB, dir string) (save func(client, n int) error, saves func() int, shut func() error)
	metric string // of its throughput against that of the store
}

// BenchmarkSet compares clients that each set a state of their own and wait until
// it is on disk: by the store, by one transaction of bbolt for each change, and by
// one write and fsync for each. Of the last two the ratio of the store's throughput
// to theirs is reported, and of the store the changes per transaction.
func BenchmarkSet(b *testing.B) {
	ways := []way{
		{name: "store", open: openStore},
		{name: "bbolt", open: openRaw, metric: "store/bbolt"},
		{name: "fsync", open: openPlain, metric: "store/fsync"},
	}
	for _, clients := range []int{1, 16, 256} {
		own := 0.0
		for _, w := range ways {
			b.Run(fmt.Sprintf("clients=%d/%s", clients, w.name), func(b *testing.B) {
				rate := measure(b, w, clients)
				b.ReportMetric(rate, "set/s")
				if w.metric == "" {
					own = rate
				} else if own > 0 {
					b.ReportMetric(own/rate, w.metric)
				}
			})
		}
	}
}

// measure makes b.N changes and returns how many there were in a second.
func measure(b *testing.B, w way, clients int) float64 {
	b.Helper()
	save, saves, shut := w.open(b, b.TempDir())
	defer func() {
		if err := shut(); err != nil {
			b.Error(err)
		}
	}()
	var next atomic.Int64
	var all sync.WaitGroup
	before := saves()
	b.ResetTimer()
	begin := time.Now()
	for client := range clients {
		all.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					return
				}
				if err := save(client, int(n)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	rate := float64(b.N) / time.Since(begin).Seconds()
	b.StopTimer()
	if n := saves() - before; n > 0 {
		b.ReportMetric(float64(b.N)/float64(n), "set/tx")
	}
	return rate
}

func openStore(tb testing.TB, dir string) (save func(client, n int) error, saves func() int, shut func() error) {
	tb.Helper()
	s, err := Open(Options{Dir: dir})
	if err != nil {
		tb.Fatal(err)
	}
	return func(client, n int) error {
			return s.Commit(set(fmt.Sprintf("bench@%d", client), "", fmt.Sprint(n)))
		}, func() int {
			last := 0
			if err := s.db.View(func(tx *bbolt.Tx) error { last = tx.ID(); return nil }); err != nil {
				tb.Error(err)
			}
			return last
		}, func() error { return s.Close(tb.Context()) }
}

// openRaw makes one transaction for each change.
func openRaw(tb testing.TB, dir string) (save func(client, n int) error, saves func() int, shut func() error) {
	tb.Helper()
	db, err := bbolt.Open(filepath.Join(dir, "raw.db"), fileMode, &bbolt.Options{FreelistType: bbolt.FreelistMapType, NoStatistics: true})
	if err == nil {
		err = db.Update(func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket(statesBucket)
			return err
		})
	}
	if err != nil {
		tb.Fatal(err)
	}
	return func(client, n int) error {
		return db.Update(func(tx *bbolt.Tx) error {
			return tx.Bucket(statesBucket).Put(fmt.Appendf(nil, "bench@%d", client), fmt.Append(nil, n))
		})
	}, func() int { return 0 }, db.Close
}

// openPlain appends every change to a file and waits for the disk.
func openPlain(tb testing.TB, dir string) (save func(client, n int) error, saves func() int, shut func() error) {
	tb.Helper()
	f, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		tb.Fatal(err)
	}
	var mu sync.Mutex
	return func(client, n int) error {
		mu.Lock()
		defer mu.Unlock()
		_, err := fmt.Fprintf(f, "bench@%d %d\n", client, n)
		return errors.Join(err, f.Sync())
	}, func() int { return 0 }, f.Close
}
