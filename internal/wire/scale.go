package wire

import (
	"fmt"
	"math"
	"time"
)

// Pace is what the windows of a network are planned for. The figures are
// deliberately on the slow side: a window that is too short costs an epoch, one
// that is too long costs a few seconds of set-up time.
type Pace struct {
	StationLine float64       // bytes per second of a station's line for set-up, each way, beside its cells
	ServerLine  float64       // bytes per second between entry and relays, and of the entry to all stations together
	Open        time.Duration // a relay opens one layer of one onion, all its cores together
}

// PaceOf returns the pace of a preset. "small": stations with 64 kbit/s beside
// their cells, half of a gigabit between servers, two cores of which each needs
// 240 µs per layer (twice the measured 115 µs). "demo": everything on one
// machine, whose cores the relays share.
func PaceOf(preset string) Pace {
	if preset == "demo" {
		return Pace{StationLine: 10e6, ServerLine: 100e6, Open: 360 * time.Microsecond}
	}
	return Pace{StationLine: 64e3 / 8, ServerLine: 500e6 / 8, Open: 120 * time.Microsecond}
}

// Scale lengthens the windows, and if needed the epoch, of p for a network of the
// given number of stations. No window becomes shorter than in p. With N stations,
// C = 2·lanes·N circuits, n relays, and S the station line, V the server line,
// O the cost of one layer:
//
//	keys      n·KEYS/S, and N times that over V
//	join      N·record/V
//	roster    (N·record + n·signed header)/S, and N times that over V
//	onions    upload 2·lanes·onion/S in the half of the window that stations use,
//	          then n·C·O + C·(sum of the onion sizes at each hop)/V in the last 3/8
//	receipts  C·(sum of the receipt sizes at each hop)/V, 2·lanes·n·32/S
//	ack       N·ack/V to each relay, ack/S
//	reveal    n·C·O: the last relay opens n layers of every inner envelope
//
// Each window gets the clock tolerance on top. It is rounded up to a tenth of a
// second. The epoch grows to hold two attempts, as a multiple of the round, and
// the cap to hold two epochs.
func (p Params) Scale(stations int, pace Pace) (Params, error) {
	if stations < 1 || stations > MaxStations {
		return p, fmt.Errorf("%d stations are not within 1 to %d", stations, MaxStations)
	}
	N, n, C := float64(stations), float64(p.Relays), float64(stations)*float64(p.Circuits())
	station := func(bytes float64) float64 { return bytes / pace.StationLine }
	server := func(bytes float64) float64 { return bytes / pace.ServerLine }
	both := func(bytes float64) float64 { return math.Max(station(bytes), server(N*bytes)) }
	open := pace.Open.Seconds()
	var onions, receipts float64
	for hop := range p.Relays {
		onions += float64(p.OnionSize(hop))
		receipts += float64(p.ReceiptSize(hop))
	}
	list := N * float64(p.RecordSize())
	upload := station(float64(p.Circuits() * p.OnionSize(0)))
	mixing := n*C*open + server(C*onions)
	need := [Phases]float64{
		PhaseKeys:     both(n * KeysSize),
		PhaseJoin:     server(list),
		PhaseRoster:   both(list + n*SignedHeaderSize),
		PhaseOnions:   math.Max(upload*2, mixing*8/3),
		PhaseReceipts: math.Max(server(C*receipts), station(float64(p.Circuits()*p.ReceiptSize(0)))),
		PhaseAck:      math.Max(server(n*N*float64(p.AckSize())), station(float64(p.AckSize()))),
		PhaseReveal:   n * C * open,
	}
	for i, s := range need {
		s += p.ClockTolerance.Seconds()
		if w := time.Duration(math.Ceil(s*10)) * time.Second / 10; w > p.Windows[i] {
			p.Windows[i] = w
		}
	}
	if least := 2 * p.Setup(); p.Epoch < least {
		p.Epoch = (least + p.Round - 1) / p.Round * p.Round
	}
	p.EpochCap = max(p.EpochCap, 2*p.Epoch)
	for _, d := range append([]time.Duration{p.Epoch, p.EpochCap}, p.Windows[:]...) {
		if d > MaxDuration {
			return p, fmt.Errorf("%d stations would need windows longer than %v: a network of this mode cannot be that large", stations, MaxDuration)
		}
	}
	return p, nil
}

// Traffic is what one station and the servers move. Only this protocol's frames
// are counted: TLS, WebSocket and TCP add a few per cent.
type Traffic struct {
	Stations         int
	Cells            float64 // bytes per second of a station, each way
	SetupUp          float64 // bytes per attempt that a station sends
	SetupDown        float64 // bytes per attempt that a station receives
	MonthUp          float64 // bytes per 30 days with one attempt per epoch
	MonthDown        float64
	ServerRound      float64 // bytes per second between neighbours of the chain, each way
	Success          float64 // chance that no station fails between roster and last acknowledgement
	StationMTBFHours float64 // assumed mean time between failures of a station
}

// Traffic computes the traffic of a network of so many stations.
func (p Params) Traffic(stations int) Traffic {
	const mtbf = 7 * 24 * time.Hour
	const month = 30 * 24 * time.Hour
	n := float64(p.Relays)
	t := Traffic{Stations: stations, StationMTBFHours: mtbf.Hours()}
	frame := float64(p.CellsFrameSize())
	t.Cells = frame / p.Round.Seconds()
	attempt := float64(1 + AttemptSize)
	t.SetupUp = attempt + float64(p.RecordSize()) + float64(p.Circuits())*(attempt+1+float64(p.OnionSize(0))) + attempt + float64(p.AckSize())
	t.SetupDown = n*(1+KeysSize) + float64(stations*p.RecordSize()) + ChunkHeaderSize + n*(1+SignedHeaderSize) +
		attempt + float64(p.Circuits()*p.ReceiptSize(0)) + n*(1+RevealSize) + float64(2+p.Circuits())*(attempt+2)
	epochs := month.Seconds() / p.Epoch.Seconds()
	t.MonthUp = t.Cells*month.Seconds() + epochs*t.SetupUp
	t.MonthDown = t.Cells*month.Seconds() + epochs*t.SetupDown
	t.ServerRound = float64(stations*p.Circuits()*p.Cell) / p.Round.Seconds()
	exposed := p.Windows[PhaseRoster] + p.Windows[PhaseOnions] + p.Windows[PhaseReceipts] + p.Windows[PhaseAck]
	t.Success = math.Exp(-float64(stations) * exposed.Seconds() / mtbf.Seconds())
	return t
}
