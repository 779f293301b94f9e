package web

// describedTalk has the operations around contacts, signals, letters and the station
// itself.
var describedTalk = map[string]described{
	// The station.
	"status": {tagStation, `Says whether the vault is open, whether the entry is connected and cells leave every round, and what waits to be delivered, with warnings in plain words. ` +
		`Nothing leaves the station for it. It answers while the vault is locked too, without what only the vault knows (what waits).`},
	"unlock": {tagStation, `Opens the vault with its passphrase, so that contacts are met again from the next set-up of circuits on; until then lanes go on idling, and the traffic is the same throughout. ` +
		`It takes a moment on purpose: so does every guess. Refused: denied for another passphrase, conflict if it is open already, not-found if there is no vault (new-vault makes one). ` +
		`On the address of the pages it is refused: a browser unlocks on the page.`},
	"lock": {tagStation, `Closes the vault and forgets every key in it; lanes idle and the station goes on sending the same traffic. ` +
		`What was not delivered waits in the vault until it is opened again, and tokens are not valid until then. Refused with conflict if it is locked already.`},
	"traffic": {tagStation, `Gives the last rounds as whoever watches the line sees them, oldest first: one frame out, one in, of the same sizes whatever is said. ` +
		`Beside it stands what of it was letters and signals, which nobody outside can see and which is forgotten when the vault closes. It needs no open vault; at most 600 rounds are kept, in memory only.`},
	"events": {tagStation, `Streams what happens as server-sent events: each has "event:" with its kind and "data:" with a Notice as JSON; a comment every 15 seconds shows that the stream lives. ` +
		`An event is a hint to look, not a record: one that is not read in time is lost, nothing is repeated after a reconnect, and there is no Last-Event-ID. Look at items or contact for how things stand. ` +
		`The stream of a token ends within a second of its being revoked.`},

	// Contacts.
	"contacts": {tagContacts, `Lists everybody with whom this station was, is or will be acquainted, open invitations included, oldest first and always all of them. ` +
		`The text of an open invitation is left out for a token: whoever has it could come in the invited's place.`},
	"contact": {tagContacts, `Describes one contact: how far the acquaintance is, whether its words were compared, its lane, and what waits and is unread. ` +
		`Refused with not-found if nobody has that identifier or exactly that name.`},
	"invite": {tagContacts, `Makes a contact and the invitation that it can come with, and gives it an idle lane if there is one (assign-lane does so later). ` +
		`The station does not hand it over: give text or words to the other by a way that you trust, once, to one person. ` +
		`Whoever accepts it first is this contact, so compare the words afterwards. Refused: conflict if the name is taken, invalid for a name that is not one line of 1 to 200 bytes or a time that no invitation can have.`},
	"cancel-invitation": {tagContacts, `Erases an invitation with its contact, its key and whatever was written to it meanwhile; it cannot be brought back, and a text of it that lies about opens nothing. ` +
		`Nobody is told. Refused with conflict once somebody came with it: burn erases a contact that is there.`},
	"accept": {tagContacts, `Makes a contact of an invitation given as text or as its 31 words, and looks for the inviter from the next set-up on, if there is an idle lane. ` +
		`The answer comes before the two stations have met: follow the state in contact or events. ` +
		`Refused: invalid if it is misspelt, over, or of another network; conflict if it was used on this station already or the name is taken.`},
	"rename": {tagContacts, `Changes how the contact is called here; nobody else sees or learns it. ` +
		`Refused: conflict if another contact has the name, invalid if it is not one line of 1 to 200 bytes.`},
	"words": {tagContacts, `Gives four words that both stations compute from their keys. They differ if somebody stands between the two. ` +
		`Compare them by voice, where you know the other; they are no secret, and reading them changes nothing. Refused with conflict until the stations have agreed on keys (state introduced).`},
	"confirm": {tagContacts, `Notes here that a person compared the words and found them equal; the other side is told nothing. Items held back from a contact that was met again from a backup go out from now on. ` +
		`Send the words that were compared: refused with conflict if they are not those of this moment (without words, whatever they are is confirmed), or if there are none yet. It ends by itself if the two agree on new keys.`},
	"deliver": {tagContacts, `Lets the items that are held back go out to the keys that are there now, at your risk: the contact stays unverified. ` +
		`Refused with conflict if nothing is held back, if the stations have not met again, or if keys changed meanwhile. confirm is the safe way.`},
	"assign-lane": {tagContacts, `Gives the contact a lane that idles, so that it is met from the next set-up of circuits on. Outside nobody sees whether a lane idles. ` +
		`Refused with conflict if it has one, or if no lane is free: free-lane frees one, within the hour.`},
	"free-lane": {tagContacts, `Parks the contact: its lane idles from a random moment within the next hour on, so that the moment tells the contact nothing; leaving says when. ` +
		`What is written to it waits until it has a lane again. Refused with conflict if it has none.`},
	"mute": {tagContacts, `Sets whether what arrives from this contact is announced (by the pages and by the command on arrival). It arrives, is delivered and counts as unread all the same, and the contact learns nothing of it.`},
	"set-expiry": {tagContacts, `Sets after what time own copies of what is exchanged with this contact erase themselves: counted from delivery for what goes out, from reading for what came in. ` +
		`It holds for what is there already, so a short time erases soon, and what was erased does not come back. The other side's copies stay and it is not told. Refused with invalid unless it is 0 or 60 seconds to a hundred years.`},
	"note-seal-key": {tagContacts, `Notes the key that a contact's principal has published for signing, for instance in print. From then on this station signs no agreement of level public with another key of that contact. ` +
		`Nobody is told; the key to publish oneself is seal-key. Refused with invalid if it is no such key or this station's own.`},
	"burn": {tagContacts, `Erases the contact for good: its keys first, then letters, lane and the rooms with it, then every page of the vault that could hold a piece of them is written anew. It cannot be undone, and no word is sent; the contact sees the lane vanish with the next set-up. ` +
		`Refused with disk-full if there is no room to write anew: keys and texts are gone all the same, and the rest is done at the next unlock. erase-item erases single items.`},

	// Signals and letters.
	"items": {tagItems, `Lists the newest signals and letters of all contacts, oldest first within the answer, with state and text (up to 64 KiB each); messages of rooms are not among them. ` +
		`If there are more, the header Link leads to those before them; go on until an answer has none, and what arrives meanwhile shifts nothing. ` +
		`Nothing is marked as read by it. Refused: invalid for a place in before that is not one, not-found for an unknown contact.`},
	"conversation": {tagItems, `Gives the newest signals and letters with one contact, oldest first, in the order of the times shown. As long as more is true, next as before asks for the piece that stands before this one. ` +
		`Nothing is marked as read by it. Refused with invalid for a place in before that is not one.`},
	"search": {tagItems, `Finds signals and letters that have all the words in subject, text or file names; the last may be the beginning of a word, accents and capitals make no difference, and signs are not read as syntax. ` +
		`It looks at what one's own copies say now. Text without a word finds nothing. If there are more, the header Link leads to older ones.`},
	"item": {tagItems, `Describes one signal or letter with its state; text that is longer than 64 KiB has to be read with content. Nothing is marked as read by it. ` +
		`Refused: not-found, or invalid if more than one begins with the digits.`},
	"content": {tagItems, `Gives the content byte for byte, always as application/octet-stream: what type it claims stands in the item, and is the sender's word only. For a letter with attachments it is text and files in one; attachment gives a single file. ` +
		`Refused with conflict while it has not arrived whole, or if it came damaged. Nothing is marked as read by it.`},
	"attachment": {tagItems, `Gives one attached file byte for byte, always as application/octet-stream; its name and claimed type stand in the item's parts. ` +
		`Refused: conflict while the letter is not here whole, not-found if it has no attachment of that number.`},
	"mark-read": {tagItems, `Marks an item as read, here only: the sender is never told (acknowledge does that, and only when asked). A self-expiry of what came in begins with it. Marking twice, or an item of one's own, changes nothing.`},
	"send-signal": {tagItems, `Accepts a short text for delivery. When it answers, the signal is safe in the vault and is delivered exactly once, also after days offline; it leaves in the cells that go out every round anyway, so sending shows to nobody. ` +
		`For a contact that was not met yet it waits; item and events tell its state, and cancel withdraws it while it has not left whole. Refused: too-large above 4,000 bytes (send a letter), invalid if empty.`},
	"send-letter": {tagItems, `Accepts the request's body, byte for byte, as a letter of at most 10 MiB. When it answers, the letter is safe in the vault and is delivered exactly once, behind what waits for that contact; estimate says how long it takes. ` +
		`With strip it goes without name and metadata, or is refused with invalid if it cannot be stripped (only JPEG, PNG and text can); above the size it is too-large. send-written takes text with attachments.`},
	"send-written": {tagItems, `Accepts a text in Markdown or plain text with attached files as one letter, together at most 10 MiB; it is delivered as a letter of send-letter is. ` +
		`With strip every file goes without name and metadata, or the whole letter is refused with invalid. Refused with too-large above the size.`},
	"estimate": {tagItems, `Computes how long so many bytes would take to that contact, behind what waits for it already, if both stations stay connected. It reserves and sends nothing. Refused with too-large for more than a letter can have.`},
	"acknowledge": {tagItems, `Tells the sender that a person has the item: a message of a fixed size that leaves in the usual cells, once, and cannot be taken back. Nothing else ever sends it; delivery alone is reported without. ` +
		`Asking again changes nothing, and since a program must not do this in a person's place, no token may. Refused with conflict for an item of one's own, or one that is not here whole.`},
	"cancel": {tagItems, `Withdraws an item of one's own: the rest of it is never sent, and if some of it had left, the other station is told to drop what it has. ` +
		`Refused with conflict if it was delivered, if all of it is on its way, or if it came in. It does not reach into a copy that is there whole.`},

	// One's own copies.
	"erase-item": {tagCopies, `Erases one's own copy, from the search index too, and cannot be undone; the other side's copy stays and it is told nothing. ` +
		`Refused with conflict for what is not delivered yet: cancel it first.`},
	"edit-item": {tagCopies, `Changes text, subject or time of one's own copy, whoever wrote it; what is left out stays. Nothing in the vault tells that it was changed, nothing is sent, and the other side's copy stays as it is: copies prove nothing. ` +
		`Refused: invalid for a time that is not between 1980 and now; conflict for what is still under way, or text that its attachments leave no room for.`},
	"insert-item": {tagCopies, `Puts a signal or letter into one's own copy of a conversation at a time of your choice, as if it had been sent or had arrived. Nothing is sent and the contact learns nothing. ` +
		`Refused: invalid for a time that is not between 1980 and now, or a signal with a subject or without text; too-large as for sending.`},
	"draft": {tagCopies, `Gives what was begun to write to a contact on the pages or by keep-draft; it is empty if there is nothing. It has never left the station. Sending does not erase it: keep an empty one.`},
	"keep-draft": {tagCopies, `Keeps one draft for a contact in the vault, in place of the one before; nothing is sent. One with neither subject nor text erases it. ` +
		`Refused with too-large above 1,000 bytes of subject or a MiB of text.`},

	// Transcripts.
	"export": {tagTranscripts, `Writes the whole conversation down, however long, as a file in the form asked for. It has no identifiers, times to the minute only, and nothing else that only a real conversation would have: a transcript proves nothing, and forge makes the same bytes. ` +
		`Damaged items are left out; texts above 64 KiB stand as files. Nothing leaves the station but this answer.`},
	"forge": {tagTranscripts, `Writes down a conversation that never took place, by the code that export ends in: nothing tells the two apart, and nothing of it is kept. With from it begins with a real one and what the body has comes after it. ` +
		`It needs an open vault only with from. Refused with invalid if the body cannot be read or names other people than the one it goes on.`},
	"export-room": {tagTranscripts, `Writes down everything that was said in a room and what came of it, without limits, weights, notes and kept offers. It was played again with other identifiers, keys and seconds, so it proves nothing: forge-room makes the like. ` +
		`Refused with conflict if the room does not exist yet.`},
	"forge-room": {tagTranscripts, `Plays a negotiation that never took place from a script (docs/negotiation.md, "Rooms on paper") and writes it down as export-room does. Nothing of it is kept, and no vault is needed. ` +
		`Refused with invalid, saying where, if the script cannot be played.`},

	// Vault, backup, pages, settings, tokens.
	"backup": {tagVault, `Writes contacts, letters, rooms and the published seal key into one encrypted file while the station goes on; "backchannel restore" makes a new station of it. It has no key that opens past or future traffic: restored contacts are met again, and their words compared anew. ` +
		`Open invitations are not in it. Errors before the first byte are problem documents; if it fails later the connection breaks, and the part does not open to its end.`},
	"panic": {tagVault, `Erases everything that the station knows, the vault's key first, and cannot be undone; no passphrase is asked for and it works while locked. Account, network file and configuration stay, so the traffic goes on unchanged with idle lanes. ` +
		`The body must have the words "erase everything"; nobody is told. Afterwards new-vault makes an empty vault.`},
	"new-vault": {tagVault, `Makes an empty vault for a station that has none, for instance after panic, and opens it. Refused with conflict if there is one, open or not. ` +
		`On the address of the pages it is refused: a browser does it on the page. It does not judge the passphrase: whoever gets the files can try guesses.`},
	"change-passphrase": {tagVault, `Seals the vault's key under another passphrase; what is in the vault stays, and so do old copies of the key file: they still open with the old passphrase. ` +
		`Refused: denied if old is not the vault's, invalid if the new one would be guessed. On the address of the pages it is refused: the settings page does it.`},
	"pages":        {tagPages, `Says at what addresses browsers find the station's pages, and the fingerprint of the certificate that paired devices must see. An empty address means that there are none there: the configuration sets them (change-connection).`},
	"page-options": {tagPages, `Gives time-outs, notification, name and the self-expiry of new contacts as chosen on the settings page; the defaults while the vault was not opened.`},
	"set-page-options": {tagPages, `Chooses all of them at once, from now on; a self-expiry of new contacts that is left out becomes never. A station that closes its vault by itself is then locked for programs too. ` +
		`Refused with invalid for time-outs above a day (pages) or 30 days (vault), and names above 60 bytes.`},
	"pair": {tagPages, `Makes a link that pairs one device, once and within ten minutes; compare the fingerprint on the device. A paired device still needs the passphrase. ` +
		`Refused with conflict if the configuration names no address for other devices, or if eight links are open.`},
	"devices":       {tagPages, `Lists the devices that were paired, without their secrets; 32 at most. Links that nobody has used are not among them.`},
	"revoke-device": {tagPages, `Forgets a device, at once: its secret is worth nothing from now on, and it must be paired anew. Refused with not-found for an unknown identifier.`},
	"connection":    {tagSettings, `Gives proxy, addresses of the pages and the command on arrival twice: as this station was started, and as its configuration file says now. They differ until the station is started again. Refused with conflict if the file cannot be read.`},
	"change-connection": {tagSettings, `Writes what is given into the configuration file; what is left out stays, comments too. Nothing changes until the station is started again. The vault's passphrase is asked for, also of an open vault, since the command is run here and the proxy sees the traffic. ` +
		`Refused: denied for another passphrase and on the address of the pages, invalid if the station could not start with it.`},
	"tokens": {tagTokens, `Lists the tokens of programs with their scopes, oldest first; the secrets are kept nowhere and cannot be shown again.`},
	"new-token": {tagTokens, `Makes a token that may do what its scopes say and nothing else. Its secret is in this answer only: the vault keeps its hash, so no token is valid while the vault is locked. ` +
		`Refused: conflict if the name is taken or there are 64, invalid without a scope or with an unknown one.`},
	"revoke-token": {tagTokens, `Ends a token, at once and for good; its streams of events end within a second. What it has sent stays sent. Refused with not-found for an unknown one.`},
}
