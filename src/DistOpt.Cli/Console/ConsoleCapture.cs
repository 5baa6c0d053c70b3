using System.Text;

namespace DistOpt;

/// <summary>
/// While it lives, whole lines that anything in the process writes to <see cref="Console"/> go to a callback. Lines are put together for
/// each thread, so that workers do not tear each other's lines; what a thread leaves without a line end comes at the end.
/// Installed by the command line alone, never by the library.
/// </summary>
internal sealed class ConsoleCapture : IDisposable
{
    private readonly TextWriter _out = Console.Out;
    private readonly TextWriter _error = Console.Error;
    private readonly LineWriter _capturedOut;
    private readonly LineWriter _capturedError;

    /// <param name="onLine">Source ("stdout" or "stderr") and text; called on the thread that wrote.</param>
    public ConsoleCapture(Action<string, string> onLine)
    {
        _capturedOut = new LineWriter(line => onLine("stdout", line));
        _capturedError = new LineWriter(line => onLine("stderr", line));
        Console.SetOut(_capturedOut);
        Console.SetError(_capturedError);
    }

    public void Dispose()
    {
        Console.SetOut(_out);
        Console.SetError(_error);
        _capturedOut.Complete();
        _capturedError.Complete();
    }

    /// <summary>A writer that hands over whole lines, without their end.</summary>
    internal sealed class LineWriter(Action<string> onLine) : TextWriter
    {
        /// <summary>A line longer than this is handed over in parts, so that memory stays bounded.</summary>
        private const int LineCharsMax = 64 * 1024;

        private readonly Dictionary<int, StringBuilder> _partial = [];
        private readonly Lock _lock = new();

        public override Encoding Encoding => Encoding.UTF8;

        public override void Write(char value) => Append([value]);

        public override void Write(char[] buffer, int index, int count) => Append(buffer.AsSpan(index, count));

        public override void Write(string? value) => Append(value);

        public override void Write(ReadOnlySpan<char> buffer) => Append(buffer);

        public override void WriteLine(string? value) => Append(value + "\n");

        /// <summary>Hands over what has no line end.</summary>
        public void Complete()
        {
            string[] rest;
            lock (_lock)
            {
                rest = [.. _partial.Values.Select(p => p.ToString())];
                _partial.Clear();
            }
            foreach (string line in rest) onLine(line);
        }

        private void Append(ReadOnlySpan<char> text)
        {
            while (!text.IsEmpty)
            {
                int end = text.IndexOf('\n');
                string? line = null;
                lock (_lock)
                {
                    int thread = Environment.CurrentManagedThreadId;
                    if (!_partial.TryGetValue(thread, out var partial)) _partial[thread] = partial = new StringBuilder();
                    partial.Append(end < 0 ? text : text[..end]);
                    if (end >= 0 || partial.Length > LineCharsMax)
                    {
                        _partial.Remove(thread);
                        if (partial.Length > 0 && partial[^1] == '\r') partial.Length--;
                        line = partial.ToString();
                    }
                }
                if (line is not null) onLine(line); // outside the lock: the receiver may write to the console itself
                text = end < 0 ? [] : text[(end + 1)..];
            }
        }
    }
}
