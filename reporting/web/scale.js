// Scales and ticks of an axis, straight or logarithmic.
{
  const steps = [1, 2, 2.5, 5, 10];

  // About n round numbers inside [low, high].
  F.ticks = (low, high, n) => {
    const rough = (high - low) / Math.max(n, 1);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = steps.map((one) => one * power).find((one) => one >= rough * (1 - 1e-9));
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) found.push(Number((i * step).toPrecision(12)));
    return found;
  };

  // The same for a logarithmic axis: 1, 2 and 5 times powers of ten, thinned where there is no room.
  F.logTicks = (low, high, n) => {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
      for (const one of [1, 2, 5]) {
        const value = Number((one * 10 ** power).toPrecision(6));
        if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) found.push(value);
      }
    }
    const tens = found.filter((value) => Math.abs(Math.log10(value) % 1) < 1e-9);
    return found.length > n && tens.length > 1 ? tens : found.length > 2 ? found : F.ticks(low, high, n);
  };

  // Shortest text of a tick.
  F.tickText = (value) => {
    const size = Math.abs(value);
    const text = size >= 1e4 ? `${Number((size / 1000).toPrecision(4))}k` : String(Number(size.toPrecision(6)));
    return value < 0 ? `\u2212${text}` : text;
  };

  // {at(value) -> pixel, ticks, low, high}; a domain without extent gets some.
  F.scale = (values, from, to, { log = false, n = 6, within = [null, null] } = {}) => {
    let low = Math.min(...values);
    let high = Math.max(...values);
    if (!values.length) [low, high] = log ? [1, 10] : [0, 1];
    if (log) {
      const room = Math.max((Math.log10(high) - Math.log10(low)) * 0.06, 0.04);
      low = 10 ** (Math.log10(low) - room);
      high = 10 ** (Math.log10(high) + room);
      const [a, b] = [Math.log10(low), Math.log10(high)];
      const at = (value) => from + ((Math.log10(value) - a) / (b - a)) * (to - from);
      return { at, low, high, ticks: F.logTicks(low, high, n) };
    }
    const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 0.5;
    const floor = low >= 0 && low - room < 0 ? 0 : low - room; // what cannot be negative does not look so
    const top = F.known(within[1]) && high <= within[1] ? Math.min(high + room, within[1] + (within[1] - floor) * 0.02) : high + room;
    const at = (value) => from + ((value - floor) / (top - floor)) * (to - from);
    return { at, low: floor, high: top, ticks: F.ticks(floor, top, n) };
  };
}
