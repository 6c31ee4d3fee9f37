// Package archtest checks facts about the module as a whole: who may import
// whom, that every package says what it is for, which names and calls are
// banned, and which conformance statements have a test. It has tests only.
package archtest
