package simulate

import "testing"

// named are seeds that found something, in the product or in its judge. A change of the world makes another run of a seed: then only
// the test that is named beside it, if there is one, still shows what it was.
var named = []struct {
	seed uint64
	what string
}{
	{500, "leaders moved while nothing was written, and the run ended by the next batch: sink/kafka TestMovedLeadersAreRetried"},
	{36, "a table that another instance had just put into the publication asked for an operator: cdc/pg TestPublishedByAnother"},
	{7090, "a connection that was lost while the publication was set up did too: the same"},
	{70, "a table was told to be back before it was in the publication, because another one was"},
	{1441, "a table that was dropped while the first start looked at it asked for an operator"},
	{135, "a first start that was killed bound the sink to its server: e2e TestClaimElsewhere"},
	{26175, "a table that was emptied under its snapshot counted as empty: cdc/pg TestSnapshotOfAnotherTable"},
	{63011, "an instance that was overtaken while it started reconciled by an old state: cdc/pg TestLossByAnOldState"},
	{83009, "a table that was renamed and back, and then dropped, was never told to be gone: e2e TestRenamedTwice"},
	{2559, "an instance that was fenced in the middle of a reconcile found the other's slot, and asked for an operator: supervise"},
	{6534, "a pool whose last told value lacks recovery_started was taken for another one than false: deploy/chaos/oracle TestSameText"},
	{2979, "what a table held was told as a baseline although something of it had been told before: cdc TestTableThatStreamsBeforeItIsRead"},
	{3101, "a standby that was promoted after the adoption was told and before it was proved was adopted too, unasked: supervise TestAdoptsOnce"},
	{6374, "the verb saw nothing of a first commit whose markers were not written yet, and the judge's operator believed it"},
	{8906, "an instance that came late to the stream behind its snapshot reconciled what another had told: cdc/pg TestLossIsLookedAtAgain"},
	{14629, "so did one that found the loss, was slow to fence, and was outrun by another one that had repaired it: the same"},
	{144, "a publication that was dropped while a start added a table to it asked for an operator: cdc/pg TestPublishedByAnother"},
	{11371, "an instance that had found the slot free long ago fenced its reader when peace had begun"},
	{23566, "rows that came and went while they were lost were missed by the judge, who had never been told of them"},
	{2324, "a standby was promoted in the middle of an adoption, which names another state of the server: the judge wanted run to go on there"},
	{4078, "another server was there before the first start, and an instance ran twice at once: the world was wrong"},
	{22210, "a table that left and was back before anybody looked, when the database got another name, was never told: cdc/pg TestProofLeavesOutWhatLeft"},
	{24933, "the same of a table whose reader was frozen meanwhile"},
	{23063, "a table that was made anew, and not published, was told to be back by the proof of an adoption, with a gap that was none: the same"},
	{9474, "two tables that were made anew one after the other were both gone to a start that was frozen between its looks: it asked for an operator"},
	{7774, "a table that was told to be missing before its server was handed over was none of its absences to the judge"},
	{426, "two instances started when peace began, and the judge took the end of that race for a disturbance"},
}

// TestNamedSeeds: none of them fails any more.
func TestNamedSeeds(t *testing.T) {
	for _, n := range named {
		if o := simulate(t, n.seed, nil); len(o.Failures) > 0 {
			t.Errorf("%s\n%s", n.what, o.explain())
		}
	}
}
