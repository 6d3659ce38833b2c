// The shell: navigation, the page, the action bar and the status line (console 1).

import { For, Match, onMount, Show, Switch, type JSX } from "solid-js";
import * as format from "./format";
import { ActionBar } from "./actionBar";
import { Live } from "./live/page";
import { Experiments } from "./pages/experiments";
import { HealthPage } from "./pages/health";
import { OverviewPage } from "./pages/overview";
import { PhysiologyPage } from "./pages/physiology";
import { Sessions } from "./pages/sessions";
import { Banner, Pill } from "./parts/parts";
import { listen, page, PAGES, type PageId } from "./route";
import { ofHealth, type Kind } from "./state/kinds";
import { connection, isLoaded, now, parts } from "./state/store";

export function App(): JSX.Element {
  onMount(listen);
  return (
    <div class="shell">
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), document.getElementById("main")?.focus())}>
        Skip to the page
      </a>
      <Navigation />
      <div class="body">
        <main id="main" tabindex="-1">
          <Lost />
          <Show when={isLoaded()} fallback={<p class="muted loading">Asking the server how things stand…</p>}>
            <Page />
          </Show>
        </main>
        <ActionBar />
        <StatusLine />
      </div>
    </div>
  );
}

function Page(): JSX.Element {
  return (
    <Switch>
      <Match when={page() === "overview"}>
        <OverviewPage />
      </Match>
      <Match when={page() === "live"}>
        <Live />
      </Match>
      <Match when={page() === "experiments"}>
        <Experiments />
      </Match>
      <Match when={page() === "physiology"}>
        <PhysiologyPage />
      </Match>
      <Match when={page() === "health"}>
        <HealthPage />
      </Match>
      <Match when={page() === "sessions"}>
        <Sessions />
      </Match>
    </Switch>
  );
}

function Navigation(): JSX.Element {
  return (
    <nav class="nav" aria-label="Pages">
      <p class="brand">
        <span class="mark" aria-hidden="true" />
        LSIE
      </p>
      <ul>
        <For each={PAGES}>
          {(entry) => (
            <li>
              <a href={`#/${entry.id}`} aria-current={page() === entry.id ? "page" : undefined}>
                {entry.title}
                <Show when={badgeOf(entry.id)}>
                  {(badge) => (
                    <span class={`badge ${badge().kind}`} title={badge().words}>
                      <span class="sr">{badge().words}</span>
                    </span>
                  )}
                </Show>
              </a>
            </li>
          )}
        </For>
      </ul>
    </nav>
  );
}

/** What a page wants to be looked at for. */
function badgeOf(id: PageId): { kind: Kind; words: string } | null {
  if (id === "live" && parts.live_session) return { kind: "ok", words: "a session is open" };
  const overall = parts.health?.overall_state;
  if (id === "health" && (overall === "error" || overall === "degraded")) return { kind: ofHealth(overall), words: "needs attention" };
  return null;
}

/** The server is away: what is shown is old, and how old. */
function Lost(): JSX.Element {
  const lost = () => {
    const state = connection();
    return state.state === "lost" ? state : null;
  };
  const wait = () => Math.max(0, Math.ceil(((lost()?.retryAt ?? 0) - now()) / 1000));
  return (
    <Show when={lost()}>
      {(state) => (
        <Banner kind="error" title="The server is away. Reconnecting by itself" live="assertive">
          {state().tries > 0 ? ` · try ${state().tries + 1}` : ""}
          {wait() > 0 ? ` in ${wait()} s` : ""} · what you see is {format.duration((now() - state().since) / 1000)} old
        </Banner>
      )}
    </Show>
  );
}

function StatusLine(): JSX.Element {
  const word = () => {
    switch (connection().state) {
      case "open":
        return { kind: "ok", label: "connected" } as const;
      case "lost":
        return { kind: "error", label: "reconnecting" } as const;
      default:
        return { kind: "progress", label: "connecting" } as const;
    }
  };
  return (
    <footer class="status-line">
      <span>
        API · <span class="mono">{location.host}</span>
      </span>
      <Pill kind={word().kind} label={word().label} />
      <span class="spring" />
      <Show when={parts.health?.subsystems.find((part) => part.subsystem_key === "engine")?.detail}>
        {(detail) => <span class="engine">{detail()}</span>}
      </Show>
    </footer>
  );
}
