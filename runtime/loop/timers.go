package loop

import (
	"container/heap"
	"time"

	"github.com/rind-sockets/rind/runtime/flow"
)

// timers holds every armed timer behind one timer of the runtime. It belongs to
// the loop's goroutine.
type timers struct {
	timer *time.Timer
	heap  timerHeap
	byID  map[flow.TimerID]*timerEntry
}

type timerEntry struct {
	id    flow.TimerID
	at    time.Time
	index int // in the heap
}

func (t *timers) start() {
	t.byID = map[flow.TimerID]*timerEntry{}
	t.timer = time.NewTimer(time.Hour)
	t.timer.Stop()
}

func (t *timers) stop() { t.timer.Stop() }

// C fires when a timer may be due.
func (t *timers) C() <-chan time.Time { return t.timer.C }

// set points the runtime's timer at the earliest timer, so that a loop with
// nothing to wait for is never woken.
func (t *timers) set() {
	if len(t.heap) == 0 {
		t.timer.Stop()
		return
	}
	t.timer.Reset(time.Until(t.heap[0].at))
}

func (t *timers) arm(id flow.TimerID, at time.Time) {
	if en, ok := t.byID[id]; ok {
		en.at = at
		heap.Fix(&t.heap, en.index)
		return
	}
	en := &timerEntry{id: id, at: at}
	t.byID[id] = en
	heap.Push(&t.heap, en)
}

func (t *timers) cancel(id flow.TimerID) {
	if en, ok := t.byID[id]; ok {
		delete(t.byID, id)
		heap.Remove(&t.heap, en.index)
	}
}

// due takes one timer that is due.
func (t *timers) due(now time.Time) (flow.TimerID, bool) {
	if len(t.heap) == 0 || t.heap[0].at.After(now) {
		return flow.TimerID{}, false
	}
	id := t.heap[0].id
	t.cancel(id)
	return id, true
}

// timerHeap implements [heap.Interface], the earliest first.
type timerHeap []*timerEntry

// Len implements [heap.Interface].
func (h *timerHeap) Len() int { return len(*h) }

// Less implements [heap.Interface].
func (h *timerHeap) Less(i, j int) bool { return (*h)[i].at.Before((*h)[j].at) }

// Swap implements [heap.Interface].
func (h *timerHeap) Swap(i, j int) {
	t := *h
	t[i], t[j] = t[j], t[i]
	t[i].index, t[j].index = i, j
}

// Push implements [heap.Interface].
func (h *timerHeap) Push(x any) {
	en, ok := x.(*timerEntry)
	if !ok {
		return
	}
	en.index = len(*h)
	*h = append(*h, en)
}

// Pop implements [heap.Interface].
func (h *timerHeap) Pop() any {
	last := len(*h) - 1
	en := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return en
}
