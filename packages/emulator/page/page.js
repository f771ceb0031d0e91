// Texts, entities and whatever a function says go into the page as text, never as markup.

/** The kinds of `npm run demo`, and OntoNotes' labels of each. */
const KINDS = {
  who: ['PERSON', 'NORP'],
  what: ['ORG', 'PRODUCT', 'WORK_OF_ART', 'LAW', 'LANGUAGE', 'EVENT'],
  where: ['GPE', 'LOC', 'FAC'],
  when: ['DATE', 'TIME'],
  much: ['MONEY', 'PERCENT', 'QUANTITY', 'CARDINAL', 'ORDINAL'],
};
const SHAPES = { cold: '◌', busy: '●', warm: '○', gone: '·' };
const GONE_MS = 4000;
const SHOTS = 20;
const NEWS = 8;

const $ = (id) => document.getElementById(id);

/** An element with its text or children. */
function make(tag, className = '', ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

const kind = (label) => {
  const name = Object.keys(KINDS).find((each) => KINDS[each].includes(label));
  return name ? `kind kind-${name}` : 'kind';
};
const ms = (value) =>
  value < 1000 ? `${value.toFixed(value < 10 ? 1 : 0)} ms` : `${(value / 1000).toFixed(value < 10_000 ? 2 : 1)} s`;
const age = (value) => {
  const s = Math.floor(value / 1000);
  if (s < 60) return `${s} s`;
  return s < 3600
    ? `${Math.floor(s / 60)} m ${s % 60} s`
    : `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} m`;
};
const count = (n, noun) => `${n} ${noun}${n === 1 ? '' : 's'}`;
/** Writes only what changed, so that a reader's place and selection stay. */
const write = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};
/** The same for children, by what they are drawn from. */
function draw(element, from, children) {
  const key = JSON.stringify(from);
  if (element.dataset.from === key) return;
  element.dataset.from = key;
  element.replaceChildren(...children(from));
}

// One text.

let shown = { text: '', entities: [] };
const unmarked = new Set();

/** A button that works on something: it keeps the focus, and does nothing twice. */
function during(button, work) {
  return async () => {
    if (button.ariaDisabled === 'true') return;
    button.ariaDisabled = 'true';
    await work().catch(() => write($('outcome'), 'The emulator does not answer. Is it still running?'));
    button.ariaDisabled = 'false';
  };
}

const post = (path, text) =>
  fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ text }) });

const find = during($('find'), async () => {
  const text = $('text').value;
  write($('outcome'), 'Asking …');
  const response = await post('/ner', text);
  const answer = await response.json();
  if (!response.ok) return write($('outcome'), answer.error);
  let body;
  try {
    body = JSON.parse(answer.body);
  } catch {
    body = answer.body;
  }
  const good = answer.status === 200;
  shown = { text, entities: good ? body.entities : [] };
  $('answer').hidden = false;
  $('entities').hidden = !good;
  write($('outcome'), good ? found(answer, body) : refused(answer, body));
  write($('json'), typeof body === 'string' ? body : JSON.stringify(body, null, 2));
  showTiming(answer, good);
  showLabels();
  showText();
});

const start = ({ headers }) =>
  headers['x-ner-cold-start'] === '1'
    ? 'a cold start'
    : headers['x-ner-init-type'] === 'on-demand'
      ? 'warm'
      : `warm (${headers['x-ner-init-type'] ?? 'unknown'})`;

const found = (answer, { entities }) =>
  `${entities.length === 1 ? '1 entity' : `${entities.length} entities`} in ${ms(answer.ms)}, ${start(answer)}.`;

function refused({ status, headers }, body) {
  const reset = headers['ratelimit-reset'];
  if (status === 429 && headers['ratelimit-remaining'] === '0') {
    return `429: the ${headers['ratelimit-limit']} requests of this minute are used up; there are new ones in ${reset} s.`;
  }
  const why = body.error ?? body.message ?? body.Message ?? body;
  return status === 0 ? `${why}` : `${status}: ${typeof why === 'string' ? why : JSON.stringify(why)}`;
}

/** Where the time went, by the answer's `server-timing` and what Kong says it waited for the function. */
function timing({ ms: total, headers }) {
  const told = {};
  for (const [, name, dur] of (headers['server-timing'] ?? '').matchAll(/(\w+);dur=([\d.]+)/g))
    told[name] = Number(dur);
  const { init = 0, load = 0, ner = 0 } = told;
  const upstream = Math.min(total, Math.max(Number(headers['x-kong-upstream-latency'] ?? 0), ner));
  const cold = headers['x-ner-cold-start'] === '1';
  // The environment's init is in every answer; only a cold start waited for it.
  const own = cold
    ? [
        ['start of Python', upstream - init - ner],
        ['handler', init - load],
        ['model', load],
      ]
    : [['Lambda', upstream - ner]];
  // What rounds to nothing is none.
  return [...own, ['entities', ner], ['Kong and the rest', total - upstream]].filter(([, value]) => value >= 0.05);
}

const PARTS = {
  'start of Python': 'part-1',
  Lambda: 'part-1',
  handler: 'part-2',
  model: 'part-4',
  entities: 'part-3',
  'Kong and the rest': 'part-5',
};

function showTiming(answer, good) {
  $('timing').hidden = !good;
  if (!good) return;
  const parts = timing(answer);
  $('bar').replaceChildren(
    ...parts.map(([name, value]) => {
      const part = make('i', PARTS[name]);
      part.style.flexGrow = value;
      return part;
    }),
  );
  $('bar').ariaLabel = parts.map(([name, value]) => `${name} ${ms(value)}`).join(', ');
  $('parts').replaceChildren(
    ...parts.map(([name, value]) => make('li', '', make('i', PARTS[name]), `${name} ${ms(value)}`)),
  );
}

function showLabels() {
  const counts = new Map();
  for (const { label } of shown.entities) counts.set(label, (counts.get(label) ?? 0) + 1);
  const boxes = [...counts].sort().map(([label, times]) => {
    const box = make('input');
    box.type = 'checkbox';
    box.checked = !unmarked.has(label);
    box.addEventListener('change', () => {
      if (box.checked) unmarked.delete(label);
      else unmarked.add(label);
      showText();
    });
    return make('label', kind(label), box, `${label} ${times}`);
  });
  $('labels').replaceChildren($('labels').firstElementChild, ...boxes);
}

/** Offsets count code points, as Python's do. */
function showText() {
  const points = [...shown.text];
  const slice = (from, to) => points.slice(from, to).join('');
  const nodes = [];
  let at = 0;
  for (const { label, start_char: from, end_char: to } of shown.entities) {
    if (unmarked.has(label)) continue;
    nodes.push(slice(at, from), make('mark', kind(label), slice(from, to), make('small', '', label)));
    at = to;
  }
  $('marked').replaceChildren(...nodes, slice(at));
}

$('form').addEventListener('submit', (event) => {
  event.preventDefault();
  find();
});
$('text').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  find();
});

// A burst.

const fire = during($('fire'), async () => {
  const cells = Array.from({ length: SHOTS }, () => make('li'));
  $('shots').replaceChildren(...cells);
  $('shots').hidden = false;
  write($('landed'), 'Fired …');
  const started = performance.now();
  const answers = [];
  const response = await post('/burst', $('text').value);
  if (!response.ok) return write($('landed'), (await response.json()).error);
  for await (const answer of lines(response.body)) {
    const cell = cells[answers.push(answer) - 1];
    const [state, words] = shot(answer);
    cell.className = state;
    cell.textContent = words;
  }
  write($('landed'), burst(answers, performance.now() - started));
});

function shot({ status, ms: took, headers }) {
  if (status !== 200) return ['bad', status === 0 ? '✕ none' : `✕ ${status}`];
  const state = headers['x-ner-cold-start'] === '1' ? 'cold' : 'warm';
  return [state, `${SHAPES[state]} ${ms(took)}`];
}

function burst(answers, took) {
  const of = (status) => answers.filter((answer) => answer.status === status).length;
  const cold = answers.filter(({ headers }) => headers['x-ner-cold-start'] === '1').length;
  const others = [...new Set(answers.map(({ status }) => status))].filter((status) => status !== 200);
  const bad = others.map((status) => `, ${of(status)} × ${status === 0 ? 'no answer' : status}`).join('');
  return `${count(answers.length, 'answer')} in ${ms(took)}: ${of(200)} × 200${bad}; ${count(cold, 'cold start')}.`;
}

/** JSON values of a stream that has one a line. */
async function* lines(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const whole = (rest + value).split('\n');
    rest = whole.pop();
    for (const line of whole) yield JSON.parse(line);
  }
}

$('fire').addEventListener('click', fire);

// The live view: the same picture as the terminal's, five times a second.

const cards = new Map();

function showPicture({ endpoint, runtime, upMs, now, reserved, environments, tally }) {
  write($('about'), `${endpoint} · ${runtime} · up ${age(upMs)}`);
  showCounts(tally);
  showBudget(tally.budget, now);
  showSeconds(tally.seconds);
  showEnvironments(environments, reserved, now);
  draw($('news'), tally.news.slice(-NEWS).reverse(), (news) =>
    news.length === 0
      ? [make('li', 'soft', 'Nothing out of the ordinary yet.')]
      : news.map(({ at, text, times }) => {
          const time = make('time', '', new Date(at).toTimeString().slice(0, 8));
          return make('li', '', time, times > 1 ? `${text} × ${times}` : text);
        }),
  );
}

function showCounts({ answers, limited, throttled, failed, broken, coldStarts }) {
  const counts = {
    requests: answers,
    'cold starts': coldStarts,
    '429 Kong': limited,
    '429 Lambda': throttled,
    '5xx': failed,
    'broken off': broken,
  };
  if (!$('counts').firstChild) {
    $('counts').append(...Object.keys(counts).map((name) => make('div', '', make('dt', '', name), make('dd'))));
  }
  Object.entries(counts).forEach(([name, value], at) => {
    const figure = $('counts').children[at].lastChild;
    write(figure, `${value}`);
    figure.className = value > 0 && name !== 'requests' ? (name === 'cold starts' ? 'cold' : 'bad') : '';
  });
}

function showBudget(budget, now) {
  if (!budget) return;
  const { limit, consumer, resetsAt } = budget;
  const resetS = Math.ceil((resetsAt - now) / 1000);
  const left = resetS > 0 ? budget.remaining : limit;
  Object.assign($('budget'), { max: limit, low: limit / 5, optimum: limit, value: left });
  $('clock').style.setProperty('--left', `${Math.max(0, Math.min(100, (resetsAt - now) / 600))}%`);
  write(
    $('budget-words'),
    `${left} of ${limit} left${resetS > 0 ? ` · new in ${resetS} s` : ''} · consumer ${consumer}`,
  );
}

function showSeconds(seconds) {
  const most = Math.max(...seconds.map(({ answers }) => answers));
  if (!$('seconds').firstChild) $('seconds').append(...seconds.map(() => make('i')));
  seconds.forEach(({ answers, coldStarts, bad }, at) => {
    const bar = $('seconds').children[at];
    bar.className = bad > 0 ? 'bad' : coldStarts > 0 ? 'cold' : 'warm';
    bar.style.height = answers === 0 ? '0' : `${Math.max(8, (100 * answers) / most)}%`;
  });
  const sum = seconds.reduce((all, { answers }) => all + answers, 0);
  const words = `${count(sum, 'answer')}${most > 0 ? `, at most ${most} in a second` : ''}`;
  write($('seconds-words'), words);
  $('seconds').ariaLabel = words;
}

function showEnvironments(environments, reserved, now) {
  const states = ['cold', 'busy', 'warm'].map((state) => [
    state,
    environments.filter((each) => each.state === state).length,
  ]);
  draw($('states'), states, () => [
    ...states.map(([state, n]) => make('span', n > 0 ? state : '', `${SHAPES[state]} ${n} ${state}`)),
    make('span', '', `at most ${reserved} at once`),
  ]);
  const there = new Set(environments.map(({ id }) => id));
  for (const environment of environments) showEnvironment(environment);
  for (const [id, card] of cards) {
    if (there.has(id)) continue;
    card.goneAt ??= now;
    card.element.className = 'gone';
    write(card.state, `${SHAPES.gone} gone`);
    if (now - card.goneAt < GONE_MS) continue;
    card.element.remove();
    cards.delete(id);
  }
}

function showEnvironment({ id, state, initType, ahead, ageMs, requests, initMs, rssMb }) {
  let card = cards.get(id);
  if (!card) {
    card = { state: make('b'), use: make('small'), init: make('small') };
    card.element = make('li', '', card.state, make('code', '', id.slice(0, 8)), card.use, card.init);
    cards.set(id, card);
    $('environments').append(card.element);
  }
  card.element.className = state;
  write(card.state, `${SHAPES[state]} ${state}`);
  const how = initType === 'provisioned-concurrency' ? ' · provisioned' : ahead ? ' · proactive' : '';
  write(card.use, `${count(requests, 'request')} · ${age(ageMs)}${how}`);
  const init = [initMs !== undefined && `init ${ms(initMs)}`, rssMb !== undefined && `${rssMb} MB`];
  write(card.init, init.filter(Boolean).join(' · '));
}

const events = new EventSource('/events');
events.addEventListener('message', ({ data }) => {
  $('lost').hidden = true;
  showPicture(JSON.parse(data));
});
events.addEventListener('error', () => {
  $('lost').hidden = false;
});
