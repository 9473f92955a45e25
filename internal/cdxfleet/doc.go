// Package cdxfleet has only tests: several machines, each with the real cdx as a process and a Codex that renews its
// login as the real one does, a real gateway over a real PostgreSQL, and an issuer of tokens that takes each refresh
// token once.
//
// After whatever happened, a cdx that was killed between any two of its steps above all, two things hold: the newest
// refresh token stands on the gateway or on some disk, from where an ordinary run of cdx brings it to the gateway; and
// cdx has talked to nobody but the gateway.
package cdxfleet
