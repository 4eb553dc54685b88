// @ts-check
// Everything here is comfort: without it the form posts, and the page of a pairing shows its commands.

const POLL_INTERVAL_MS = 3000;

const deposit = /** @type {HTMLFormElement | null} */ (document.querySelector('form#deposit'));
if (deposit) watchDeposit(deposit);
if (document.querySelector('#pairing')) watchPairing();

/**
 * The element with this id, which the page is known to have.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
function element(id, type) {
  const found = document.getElementById(id);
  if (found instanceof type) return found;
  throw new Error(`the page has no #${id}`);
}

/** @param {HTMLInputElement} input @param {string} problem empty when there is none */
function showProblem(input, problem) {
  input.setAttribute('aria-invalid', String(problem !== ''));
  element(`${input.id}-problem`, HTMLElement).textContent = problem;
}

/* The form */

/** @param {HTMLFormElement} form */
function watchDeposit(form) {
  const inputs = [...form.querySelectorAll('input')];
  form.noValidate = true;
  for (const input of inputs) {
    const check = () => showProblem(input, brokenRule(input));
    input.addEventListener('change', check);
    input.addEventListener('input', () => input.ariaInvalid === 'true' && check());
  }
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    for (const input of inputs) showProblem(input, brokenRule(input));
    if (!focusFirstProblem(inputs)) send(form, inputs);
  });
}

/** What is wrong with the value, in the words of the service; empty when nothing is. @param {HTMLInputElement} input */
function brokenRule(input) {
  if (input.value === '') return input.required ? 'is missing' : '';
  /** @type {{ pattern: string, flags: string, problem: string }[]} */
  const rules = JSON.parse(input.dataset.rules ?? '[]');
  return rules.find(({ pattern, flags }) => !new RegExp(pattern, flags).test(input.value))?.problem ?? '';
}

/** @param {HTMLInputElement[]} inputs */
function focusFirstProblem(inputs) {
  const broken = inputs.find((input) => input.ariaInvalid === 'true');
  broken?.focus();
  return broken !== undefined;
}

/** @param {HTMLFormElement} form @param {HTMLInputElement[]} inputs */
async function send(form, inputs) {
  const submit = /** @type {HTMLButtonElement} */ (form.querySelector('[type=submit]'));
  const problem = element('deposit-problem', HTMLElement);
  submit.disabled = true;
  problem.textContent = '';
  try {
    const fields = [...new FormData(form)].filter(([, value]) => value !== '');
    const response = await fetch(form.action, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'application/json' },
      body: JSON.stringify(Object.fromEntries(fields)),
    });
    const answer = await response.json();
    if (response.ok) {
      // The way back must not lead to a page that still holds the password.
      form.reset();
      location.assign(new URL(answer.pairing_code, form.action));
      return;
    }
    problem.textContent = answer.detail;
    for (const { field, problem: reason } of answer.errors ?? []) {
      const input = inputs.find(({ name }) => name === field);
      if (input) showProblem(input, reason);
    }
    focusFirstProblem(inputs);
  } catch {
    problem.textContent = 'The pairing service does not answer. Check the network and try again.';
  } finally {
    submit.disabled = false;
  }
}

/* The page of a pairing */

function watchPairing() {
  watchFlags();
  watchCopyButtons();
  watchRevoke(watchStatus());
}

function watchFlags() {
  const form = element('flags', HTMLFormElement);
  const texts = /** @type {NodeListOf<HTMLInputElement>} */ (form.querySelectorAll('input[data-problem]'));
  const update = () => {
    for (const system of ['linux', 'windows']) showQuery(system, flagsFor(form, system));
    const system = selectedSystem();
    for (const input of texts)
      showProblem(input, valuesOf(input).every(fits(input, system)) ? '' : (input.dataset.problem ?? ''));
  };
  form.querySelector('fieldset')?.removeAttribute('disabled');
  form.addEventListener('submit', (event) => event.preventDefault());
  form.addEventListener('input', update);
  document.querySelector('.tabs')?.addEventListener('change', update);
  update();
}

function selectedSystem() {
  return /** @type {HTMLInputElement} */ (document.querySelector('input[name=system]:checked')).value;
}

/** The query that bakes the ticked flags in: `x&s&a=deploy`. @param {HTMLFormElement} form @param {string} system */
function flagsFor(form, system) {
  return [...form.querySelectorAll('input')]
    .flatMap((input) => {
      if (input.type === 'checkbox')
        return input.checked && input.dataset.systems?.includes(system) ? [input.name] : [];
      return valuesOf(input)
        .filter(fits(input, system))
        .map((value) => String(new URLSearchParams({ [input.name]: value })));
    })
    .join('&');
}

/** Tags are separated by commas. @param {HTMLInputElement} input */
function valuesOf(input) {
  const values = input.name === 'g' ? input.value.split(',') : [input.value];
  return values.map((value) => value.trim()).filter((value) => value !== '');
}

/** @param {HTMLInputElement} input @param {string} system @returns {(value: string) => boolean} */
function fits(input, system) {
  const pattern = new RegExp(input.dataset[system] ?? '');
  return (value) => pattern.test(value);
}

/** @param {string} system @param {string} query */
function showQuery(system, query) {
  const place = document.querySelector(`#${system}-command .query`);
  if (place) place.textContent = query && `?${query}`;
}

function watchCopyButtons() {
  for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll('[data-copies]'))) {
    button.hidden = false;
    button.addEventListener('click', () => copy(button));
  }
}

/** @param {HTMLButtonElement} button */
async function copy(button) {
  const source = element(button.dataset.copies ?? '', HTMLElement);
  try {
    // Absent where the page came over plain HTTP from another machine.
    await navigator.clipboard.writeText(source.textContent ?? '');
    announce('Copied. It holds the pairing URL: send it over a private channel.');
  } catch {
    getSelection()?.selectAllChildren(source);
    announce('The browser does not let this page copy. The command is selected: press Ctrl+C or Cmd+C.');
  }
}

/** Tells it to the eye and to screen readers. @param {string} news */
function announce(news) {
  element('news', HTMLElement).textContent = news;
}

/** Keeps countdown and counter up to date; returns what ends the pairing on the page, with the reason. */
function watchStatus() {
  const pairing = element('pairing', HTMLElement);
  const retrievals = element('retrievals', HTMLElement);
  const bar = element('lifetime', HTMLProgressElement);
  /** By this page's steady clock, in milliseconds; the clock of the machine may be wrong. @type {number | undefined} */
  let expires;
  let ended = false;

  /** @param {string} reason */
  function end(reason) {
    ended = true;
    clearInterval(ticking);
    clearInterval(polling);
    pairing.classList.add('ended');
    element('remaining', HTMLElement).textContent = '0:00';
    bar.value = 0;
    for (const button of pairing.querySelectorAll('button')) button.disabled = true;
    announce(reason);
  }

  function tick() {
    if (expires === undefined) return;
    const left = Math.max(0, Math.ceil((expires - performance.now()) / 1000));
    element('remaining', HTMLElement).textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`;
    element('remaining-label', HTMLElement).textContent = 'left';
    bar.hidden = false;
    bar.value = left;
    if (left === 0) end('This pairing code has expired. Upload the credentials again to get a new one.');
  }

  async function poll() {
    const response = await fetch(pairing.dataset.status ?? '').catch(() => undefined);
    // Not reached, or too many requests: the next time will tell.
    if (ended || !response || response.status >= 429) return;
    if (!response.ok) return end('This pairing code has been revoked or has expired.');
    const status = await response.json();
    const now = Date.parse(response.headers.get('Date') ?? '');
    if (expires === undefined && !Number.isNaN(now)) expires = performance.now() + Date.parse(status.expires) - now;
    showRetrievals(status.retrievals, status.uses);
    tick();
    if (status.retrievals === status.uses) end('Picked up as often as it may be. The code no longer works.');
  }

  /** @param {number} count @param {number} [uses] */
  function showRetrievals(count, uses) {
    const text = uses === undefined ? times(count) : `${count} of ${times(uses)}`;
    if (retrievals.textContent === text) return;
    retrievals.textContent = text;
    announce(`Picked up ${text}.`);
  }

  const ticking = setInterval(tick, 250);
  const polling = setInterval(() => document.hidden || poll(), POLL_INTERVAL_MS);
  document.addEventListener('visibilitychange', () => document.hidden || ended || poll());
  poll();
  return end;
}

/** @param {number} count */
function times(count) {
  return count === 0 ? 'not yet' : count === 1 ? '1 time' : `${count} times`;
}

/** @param {(reason: string) => void} end */
function watchRevoke(end) {
  const button = element('revoke', HTMLButtonElement);
  const dialog = element('revoke-dialog', HTMLDialogElement);
  button.hidden = false;
  button.addEventListener('click', () => dialog.showModal());
  dialog.addEventListener('close', async () => {
    if (dialog.returnValue !== 'revoke') return;
    const response = await fetch(location.pathname, { method: 'DELETE' }).catch(() => undefined);
    if (response?.ok) end('Revoked. The code no longer works.');
    else if (response?.status === 404) end('This pairing code has been revoked or has expired.');
    else announce('The pairing service did not answer, and the code may still work. Try again.');
  });
}
