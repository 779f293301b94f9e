package web

// describedRooms has the operations around negotiations. What is said in a room, and
// what follows from it, is described in docs/negotiation.md.
var describedRooms = map[string]described{
	// Rooms.
	"rooms": {tagRooms, `Lists all rooms, also those that are being made, were declined or came to nothing, oldest first and always all of them. What is on a table has room.`},
	"room": {tagRooms, `Gives one room with all that is on its table: agenda, packages, offers, agreements and the timeline, as computed from what was said. There is no view until the room exists (state complete). ` +
		`Looking marks nothing as looked at and tells nobody: mark-room-read does that, here only.`},
	"new-room": {tagRooms, `Proposes a room to contacts, who are asked and join or decline; it exists once all have confirmed the same list of members, and cannot be changed afterwards. The proposal leaves in the usual cells. ` +
		`Refused: conflict if a contact was not met yet, or if there are more members than lanes; not-found for an unknown contact. With previous it continues another room.`},
	"join-room": {tagRooms, `Joins a room that a contact proposed. Name every other member among your own contacts, as many as the proposal says and the inviter among them: each of them learns that you take part, so choose the right ones. It cannot be unsaid. ` +
		`Refused with conflict if the number is not right, the inviter is missing, or the room is past being joined.`},
	"decline-room": {tagRooms, `Says no to a proposed room, or calls off one that does not exist yet: the inviter is told, and if members were chosen already, all of them. It cannot be joined afterwards. ` +
		`Refused with conflict once the room exists: erase-room erases the own copy of it.`},
	"erase-room": {tagRooms, `Erases the own copy with all that was said, limits and notes included, and cannot be undone. The others keep theirs and are told nothing; what they say there from now on is put aside among strays. ` +
		`Agreements that were reached there are erased with it: export them first. A room that others still wait for should be declined.`},
	"say": {tagRooms, `Says something to a room, or to one member alone: an agenda, package, offer, take, comment and so on (docs/negotiation.md has the body of each kind). It is kept, leaves in the usual cells, and cannot be unsaid; withdraw takes back what can be. ` +
		`Refused: invalid if the body does not fit its kind, conflict if the table does not allow it now or the room does not exist, with the reason. A token may not say what binds: consent, approve, release, agreement, join, round are denied.`},
	"show-to": {tagRooms, `Shows one member what another member said to the room, with the tag that its author made for that case: whoever is shown it knows who wrote it, and could have made all of it, so it proves nothing to anybody else. It leaves in the usual cells. ` +
		`Refused with conflict for one's own or the member's own statement, for one said to a single member, and once its tags are erased (when all are known to hold the same, at the latest after seven days).`},
	"mark-room-read": {tagRooms, `Notes here that the room was looked at, as far as the answer with that mark went, so that what came later stays new. Nobody is told, and nothing of it shows to other members.`},
	"refused":        {tagRooms, `Lists messages that members sent and this room refused, in order of arrival, byte for byte and with the reason, as far as they were kept. They changed nothing on the table. A program of another version is the usual cause.`},
	"strays":         {tagRooms, `Lists messages of negotiations for which there is no room here, byte for byte; of each contact 64 are kept at most. They change nothing. A room that was erased here is the usual cause.`},
	"erase-strays":   {tagRooms, `Erases all messages that belong to no room here, for good; nobody is told. What a room refused is not among them: it goes with the room.`},
	"own-side":       {tagRooms, `Gives the limits, weights, colours and notes that you keep about a room (docs/negotiation.md). They are in the vault, in no message to anybody and in no export. It is empty if nothing was kept.`},
	"keep-own-side":  {tagRooms, `Replaces limits, weights, colours and notes about a room as a whole: read them with own-side, change what you want, send all. Nothing leaves the station. Refused with invalid for unknown members or figures that do not fit.`},
	"suggestions": {tagRooms, `Computes packages that are good by your own limits and weights and near to what others have put on the table; with deal, only such as are no worse than that package for anybody, as far as the table shows. Nothing is said or kept, and nobody is asked. ` +
		`Refused: conflict if the room does not exist yet, not-found or invalid if deal is no package of it.`},
	"keep-offer": {tagRooms, `Keeps an offer in the vault without sending it, as a new one or in place of another that is kept. Whether the table allows it is checked when it is sent, and nobody learns of it before. The body is that of an offer (docs/negotiation.md). ` +
		`Refused: invalid if the body does not fit, conflict for an unknown number or too many kept offers.`},
	"drop-offer": {tagRooms, `Forgets a kept offer for good; one that is not there is no error. Offers that were sent are withdrawn with say.`},
	"send-offer": {tagRooms, `Says a kept offer to the room or to one member, and forgets the draft. It leaves in the usual cells and cannot be unsaid, only withdrawn or replaced. ` +
		`Refused: not-found for an unknown number or member, conflict if the table does not allow the offer now; then the draft stays.`},

	// Blind rounds.
	"blind-rounds": {tagRounds, `Lists the blind rounds of a room, oldest first and all of them. Your own answer is in no answer of the interface.`},
	"blind-round":  {tagRounds, `Gives one round: where it stands in words, whom it asks, what it opened, and the sentences about fairness that must be read before choosing. Your own answer is not in it, only whether one is chosen.`},
	"propose-round": {tagRounds, `Asks parties of a room a question whose answers are opened only where they match, and takes part in it; choose-round chooses the answer. It leaves in the usual cells. What is left out is filled in: all members, answers in an hour, the end a day later. ` +
		`Refused with conflict if no agenda holds, if the figures or packages do not fit, or if the quota for the same question with the same parties is used up.`},
	"join-round": {tagRounds, `Takes part in a round that another proposed, and says so to its parties; no answer is chosen by it, and it counts towards the quota. It cannot be unsaid, but decline-round still ends it here while no answer has left. ` +
		`Refused with conflict if this station is no party, has joined, or comes after the time at which answers leave.`},
	"decline-round": {tagRounds, `Ends the round on this side before the own answer has left: whatever was chosen never leaves. The others are not told: to them the round lapses as one does that somebody never answered. ` +
		`It cannot be undone. Refused with conflict once the answer has left.`},
	"choose-round": {tagRounds, `Chooses the own answer, or another, until answers leave at inputs_at, all at the same time whenever they were chosen. Until then it is in the vault only; afterwards it is sealed and never reversible, and only what matches is opened. ` +
		`Give exactly one of yes (single), limit or none (ladder), approve (list). Refused: invalid if it does not fit the round, without repeating it; conflict if the round was not joined or answers have left.`},

	// Agreements.
	"agreements": {tagAgreements, `Lists the agreements of a room, oldest first and all of them, each with its exact text and what stands in its way. Only confirmed and sealed are agreed.`},
	"agreement":  {tagAgreements, `Gives one agreement with exactly the text that is confirmed or signed, whose consent it needs and has, and what may be done now. Before signing, text and warning must have been read by a person.`},
	"propose-agreement": {tagAgreements, `Puts an agreement on the table for the parties named; proposing is no consent, also not one's own. It leaves in the usual cells; withdraw-agreement takes it back. It is void unless all who are needed hold it by lapses. ` +
		`Refused with conflict if the table does not allow it, not-found for unknown members, packages or agreements.`},
	"consent": {tagAgreements, `Consents to the exact content (core) of the agreement: another word is another agreement. At level handshake it is confirmed by itself once everybody has consented, and leaves nothing that others could check; other levels must still be signed. ` +
		`It leaves in the usual cells. withdraw-consent takes it back only before the signing begins or everybody has confirmed.`},
	"withdraw-consent":   {tagAgreements, `Takes the own consent back and tells the room. Refused with conflict if there is none, if the signing has begun, or if everybody has confirmed: then it holds.`},
	"withdraw-agreement": {tagAgreements, `Takes an own proposal off the table and tells the room; what was agreed cannot be withdrawn. Refused with conflict for another's proposal, or one past that.`},
	"sign": {tagAgreements, `Says that this principal signs the agreement: the own share leaves by itself once everybody concerned has done the same, and then it is never reversible. A complete signature can be checked by anybody who is shown it, which ends deniability for this text; its warning must have been read. ` +
		`Refused with conflict at level handshake, before all have consented, after it has lapsed, and at level public if a signer came with another key than the one noted.`},
	"stop-signing": {tagAgreements, `Takes the wish to sign back while the own share has not left; the room is told as far as it knew, and sign can begin anew. Refused with conflict if this station is not signing, or if the share was sent: that cannot be taken back.`},
	"seal-key":     {tagAgreements, `Gives the public key with which this station signs at level public, for you to publish; it is made when first asked for and stays the same, also after a restore. Level sealed is signed with another key each time. Nothing is sent: note-seal-key is how others note it.`},

	// Communiqués.
	"communiques": {tagCommuniques, `Lists the communiqués of a room, oldest first and all of them, each with who has approved it and whether it is what was agreed.`},
	"propose-communique": {tagCommuniques, `Drafts the text that the parties of an agreement make public, and says it to the room; nothing is published by it. What was signed is published word for word; for level handshake text may be another, and nobody can check it. ` +
		`Refused with conflict if the agreement is neither confirmed nor sealed, or if the text is not what was signed.`},
	"approve-communique": {tagCommuniques, `Agrees to the release of exactly this text, and tells the room; it cannot be taken back. Nothing is published before all who are needed have approved. Refused with conflict if it is not yours to approve, or is void.`},
	"release-communique": {tagCommuniques, `Notes in the room that a communiqué which all have approved goes to the public. The station publishes nothing itself: take the text, or communique-file, to where it shall appear. It cannot be unsaid. Refused with conflict before all have approved.`},
	"communique-file": {tagCommuniques, `Gives a signed communiqué as a file that anybody can check with "backchannel verify", with the names by which this station knows the parties. Whoever has the file can prove the text to anybody. ` +
		`Refused with conflict before all have approved it, or if the agreement was not signed.`},
}
