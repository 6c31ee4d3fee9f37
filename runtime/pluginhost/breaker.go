package pluginhost

import "time"

// The rule for a plugin that keeps ending by itself: after maxCrashes within
// crashWindow it is started only after a delay, which doubles with each further
// crash. All is forgotten once a process has answered a call as it should, or has
// lived for crashWindow: the rule is against a plugin that is of no use, not
// against whoever kills one that works.
const (
	maxCrashes  = 5
	crashWindow = time.Minute
	minDelay    = 100 * time.Millisecond
	maxDelay    = 30 * time.Second
)

// breaker applies the rule. It has no clock: the caller says what time it is.
type breaker struct {
	crashes []time.Time // the latest, at most maxCrashes
	delay   time.Duration
	until   time.Time // no start before
}

// crash records that a process, started at a time, ended by itself or had to be
// killed.
func (b *breaker) crash(started, now time.Time) {
	if now.Sub(started) >= crashWindow {
		b.worked()
	}
	b.crashes = append(b.crashes, now)
	if len(b.crashes) > maxCrashes {
		b.crashes = b.crashes[1:]
	}
	often := len(b.crashes) == maxCrashes && now.Sub(b.crashes[0]) < crashWindow
	if !often && b.delay == 0 {
		return
	}
	b.delay = min(max(2*b.delay, minDelay), maxDelay)
	b.until = now.Add(b.delay)
}

// worked records that a process has answered a call.
func (b *breaker) worked() { *b = breaker{} }

// wait returns how long no start may be tried, or 0.
func (b *breaker) wait(now time.Time) time.Duration {
	return max(b.until.Sub(now), 0)
}
