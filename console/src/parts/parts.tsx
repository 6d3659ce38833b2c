// The small parts that every page is made of.

import { createUniqueId, For, onCleanup, onMount, Show, type JSX } from "solid-js";
import type { Kind } from "../state/kinds";

/** State as colour and word, always both. */
export function Pill(props: { kind: Kind; label: string; title?: string }): JSX.Element {
  return (
    <span class={`pill ${props.kind}`} title={props.title}>
      <span class="dot" aria-hidden="true" />
      {props.label}
    </span>
  );
}

/** One value with its name; `state` colours its edge. */
export function Card(props: { title: string; value?: string; kind?: Kind; pill?: string; href?: string; children?: JSX.Element }): JSX.Element {
  const inside = () => (
    <>
      <div class="card-head">
        <h2 class="card-title">{props.title}</h2>
        <Show when={props.pill}>{(label) => <Pill kind={props.kind ?? "neutral"} label={label()} />}</Show>
      </div>
      <Show when={props.value}>
        <p class="card-value">{props.value}</p>
      </Show>
      <div class="secondary">{props.children}</div>
    </>
  );
  return (
    <Show when={props.href} fallback={<section class={`card ${props.kind ?? "neutral"}`}>{inside()}</section>}>
      {(href) => (
        <a class={`card ${props.kind ?? "neutral"}`} href={href()}>
          {inside()}
        </a>
      )}
    </Show>
  );
}

/** Something the operator should read now. */
export function Banner(props: { kind: Kind; title: string; children?: JSX.Element; action?: JSX.Element; live?: "polite" | "assertive" }): JSX.Element {
  return (
    <div class={`banner ${props.kind}`} role={props.live === "assertive" ? "alert" : "status"}>
      <span class="dot" aria-hidden="true" />
      <div class="banner-text">
        <strong>{props.title}</strong>
        <Show when={props.children}>
          <span>{props.children}</span>
        </Show>
      </div>
      {props.action}
    </div>
  );
}

/** Where nothing is to be shown: says what would be here and how to get it. */
export function Empty(props: { title: string; children?: JSX.Element; action?: JSX.Element }): JSX.Element {
  return (
    <div class="empty">
      <h2>{props.title}</h2>
      <p>{props.children}</p>
      {props.action}
    </div>
  );
}

/** A page's head. */
export function PageHead(props: { title: string; children?: JSX.Element; actions?: JSX.Element }): JSX.Element {
  return (
    <header class="page-head">
      <div>
        <h1 tabindex="-1">{props.title}</h1>
        <p class="muted">{props.children}</p>
      </div>
      <div class="actions">{props.actions}</div>
    </header>
  );
}

/** A question over the page. The browser keeps the focus inside, and Escape answers "no". */
export function Dialog(props: { title: string; onClose: () => void; children: JSX.Element }): JSX.Element {
  let dialog!: HTMLDialogElement;
  const title = createUniqueId();
  const before = document.activeElement;
  onMount(() => dialog.showModal());
  onCleanup(() => {
    if (dialog.open) dialog.close();
    if (before instanceof HTMLElement && before.isConnected) before.focus();
  });
  return (
    <dialog ref={dialog} aria-labelledby={title} onClose={() => props.onClose()}>
      <h2 id={title}>{props.title}</h2>
      {props.children}
    </dialog>
  );
}

/** Names and values, one under the other. */
export function Facts(props: { facts: readonly (readonly [name: string, value: string])[] }): JSX.Element {
  return (
    <dl class="facts">
      <For each={props.facts}>
        {([name, value]) => (
          <div>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        )}
      </For>
    </dl>
  );
}
