// Package seal signs how far a trail of events has come, so that no one who can write the events can rewrite them unseen.
//
// A seal is a checkpoint (https://c2sp.org/tlog-checkpoint) in a signed note (https://c2sp.org/signed-note): how many events
// there are, and the root of the Merkle tree (RFC 6962) over their bytes. Who keeps one seal can tell later whether the events
// up to it are still the same ones. The seals of a trail stand in a log, a file of notes.
package seal
