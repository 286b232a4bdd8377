// What a session did, replayed: play, pause, seek, speed. The screen obeys no more of it than the live one does.

import type { Terminal } from '@xterm/xterm';
import { useEffect, useRef, useState } from 'preact/hooks';
import { useAccess } from './access.ts';
import { duration } from './format.ts';
import { isAbort, Refusal } from './http.ts';
import { Icon } from './icon.tsx';
import { Card, Empty, Loading, Problem } from './parts.tsx';
import { Frames, type RecordedEvent } from './recording-frames.ts';
import { showTerminal } from './terminal-view.tsx';

/** Of output in the page's memory; what comes after it is not replayed here. */
const MAX_BYTES = 32 * 1024 * 1024;
const MAX_FRAMES = 500_000;
const TICK_MS = 50;
const STEP_MS = 1000;
const SPEEDS = [0.5, 1, 2, 5, 20] as const;

interface Loaded {
  readonly frames: Frames;
  readonly isCut: boolean;
}

export function SandboxRecording({ id, isQuiet = false }: { readonly id: string; readonly isQuiet?: boolean }) {
  const { http } = useAccess();
  const [loaded, setLoaded] = useState<Loaded | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    const gone = new AbortController();
    const load = async (): Promise<Loaded> => {
      const frames = new Frames();
      for await (const event of http.lines<RecordedEvent>(`/v1/recordings/${encodeURIComponent(id)}`, gone.signal)) {
        if (frames.bytes > MAX_BYTES || frames.list.length >= MAX_FRAMES) return { frames, isCut: true };
        frames.add(event);
      }
      return { frames, isCut: false };
    };
    setLoaded(null);
    setError(null);
    load()
      .then(setLoaded)
      .catch((problem: unknown) => {
        if (!isAbort(problem)) setError(problem);
      });
    return () => gone.abort();
  }, [http, id]);
  if (error instanceof Refusal && error.code === 'NOT_FOUND')
    return isQuiet ? null : <Empty>It is not recorded. The configuration says which sessions are: record.bytes and record.profiles.</Empty>;
  if (error !== null) return <Problem error={error} />;
  if (loaded === null) return isQuiet ? null : <Loading />;
  if (loaded.frames.list.length === 0) return <Empty>Nothing has been recorded yet.</Empty>;
  return (
    <Card title="Recording">
      <Player frames={loaded.frames} />
      {loaded.isCut && <p class="muted small">The rest is too long to be replayed here: cloister logs {id} --cast FILE has all of it.</p>}
    </Card>
  );
}

function Player({ frames }: { readonly frames: Frames }) {
  const place = useRef<HTMLDivElement>(null);
  const screen = useRef<Terminal | null>(null);
  /** Frames that are on the screen. */
  const drawn = useRef(0);
  const [nowMs, setNowMs] = useState(0);
  const [isPlaying, setPlaying] = useState(false);
  const [speed, setSpeed] = useState<number>(1);
  const { lengthMs } = frames;
  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const { terminal, remove } = showTerminal(element);
    screen.current = terminal;
    drawn.current = 0;
    return () => {
      screen.current = null;
      remove();
    };
  }, [frames]);
  useEffect(() => {
    const terminal = screen.current;
    if (terminal === null) return;
    const due = frames.countAt(nowMs);
    if (due < drawn.current) {
      terminal.reset();
      drawn.current = 0;
    }
    for (; drawn.current < due; drawn.current += 1) terminal.write(frames.list[drawn.current]?.data ?? '');
    if (nowMs >= lengthMs) setPlaying(false);
  }, [frames, nowMs, lengthMs]);
  useEffect(() => {
    if (!isPlaying) return undefined;
    let before = performance.now();
    const timer = setInterval(() => {
      const passed = performance.now() - before;
      before += passed;
      setNowMs((ms) => Math.min(lengthMs, ms + passed * speed));
    }, TICK_MS);
    return () => clearInterval(timer);
  }, [isPlaying, speed, lengthMs]);
  const toggle = (): void => {
    if (!isPlaying && nowMs >= lengthMs) setNowMs(0);
    setPlaying(!isPlaying);
  };
  const time = `${duration(nowMs)} of ${duration(lengthMs)}`;
  return (
    <>
      <div class="terminal" ref={place} role="region" aria-label="Replay" />
      <div class="player">
        <button type="button" onClick={toggle}>
          <Icon name={isPlaying ? 'pause' : 'play'} /> {isPlaying ? 'Pause' : 'Play'}
        </button>
        <input
          type="range"
          min={0}
          max={lengthMs}
          step={Math.max(1, Math.min(STEP_MS, lengthMs / 20))}
          value={nowMs}
          aria-label="Place in the recording"
          aria-valuetext={time}
          onInput={(event) => setNowMs(Number(event.currentTarget.value))}
        />
        <span class="muted small">{time}</span>
        <label>
          Speed{' '}
          <select value={speed} onChange={(event) => setSpeed(Number(event.currentTarget.value))}>
            {SPEEDS.map((each) => (
              <option key={each} value={each}>
                {each}×
              </option>
            ))}
          </select>
        </label>
      </div>
    </>
  );
}
