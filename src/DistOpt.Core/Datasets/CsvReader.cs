using System.Buffers;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Datasets;

/// <summary>
/// Reads rows of delimited text (RFC 4180): cells may stand in quotes, quotes in them are doubled, and delimiters and line breaks then
/// belong to the cell. Lines end in LF, CRLF or CR; blank lines are passed over; blanks round a cell do not count unless quoted. Streams:
/// memory is that of the longest row.
/// </summary>
internal sealed class CsvReader(TextReader reader, char delimiter, string path)
{
    /// <summary>Characters in a row, at most.</summary>
    private const int RowLengthMax = 1 << 26;

    private readonly char[] _block = new char[1 << 14];
    private readonly List<(int Begin, int End, bool Quoted)> _cells = [];
    private readonly SearchValues<char> _special = SearchValues.Create([delimiter, '"', '\n', '\r']);
    private char[] _text = new char[256];
    private int _length;
    private int _blockLength;
    private int _blockAt;
    private long _line = 1;

    /// <summary>Line of the file, from 1, on which the current row begins.</summary>
    public long Line { get; private set; }

    /// <summary>Cells in the current row.</summary>
    public int Count => _cells.Count;

    /// <summary>A cell of the current row; valid until the next row is read.</summary>
    public ReadOnlySpan<char> this[int column]
    {
        get
        {
            var (begin, end, quoted) = _cells[column];
            var cell = _text.AsSpan(begin..end);
            return quoted ? cell : cell.Trim();
        }
    }

    /// <summary>Passes over lines, whatever is in them.</summary>
    public void SkipLines(int count)
    {
        for (; count > 0; count--)
        {
            int next;
            while ((next = Read()) is not ('\n' or '\r' or -1)) { }
            if (next == -1) return;
            EndLine(next);
        }
    }

    /// <summary>Reads the next row that is not blank.</summary>
    /// <returns>False at the end of the file.</returns>
    /// <exception cref="SpecException">A quote is not closed, or text follows a closing quote.</exception>
    public bool ReadRow()
    {
        do
        {
            if (Peek() == -1) return false;
            ReadCells();
        }
        while (_cells.Count == 1 && !_cells[0].Quoted && this[0].IsEmpty);
        return true;
    }

    private void ReadCells()
    {
        _cells.Clear();
        _length = 0;
        Line = _line;
        while (true)
        {
            int begin = _length;
            bool quoted = false;
            int next;
            AppendPlain();
            while ((next = Read()) != -1 && next != delimiter && next is not ('\n' or '\r'))
            {
                if (next == '"' && !quoted && IsBlank(begin))
                {
                    _length = begin;
                    ReadQuoted();
                    quoted = true;
                }
                else if (!quoted) Append((char)next);
                else if (next is not (' ' or '\t'))
                {
                    throw new SpecException([new SpecViolation(path,
                        $"column {_cells.Count}: '{(char)next}' follows a closing quote; double the quotes that belong to the cell",
                            (int)Line)]);
                }
            }
            _cells.Add((begin, _length, quoted));
            if (next == delimiter) continue;
            if (next != -1) EndLine(next);
            return;
        }
    }

    /// <summary>Takes what the block still holds of a cell without quotes, at once: most cells are done by this.</summary>
    private void AppendPlain()
    {
        var rest = _block.AsSpan(_blockAt, _blockLength - _blockAt);
        int plain = rest.IndexOfAny(_special);
        if (plain < 0) plain = rest.Length;
        if (_length + plain > RowLengthMax) return;
        if (_length + plain > _text.Length) Array.Resize(ref _text, Math.Max(2 * _text.Length, _length + plain));
        rest[..plain].CopyTo(_text.AsSpan(_length));
        _length += plain;
        _blockAt += plain;
    }

    private bool IsBlank(int begin) => _text.AsSpan(begin.._length).IsWhiteSpace();

    private void ReadQuoted()
    {
        while (true)
        {
            int next = Read();
            if (next == -1)
                throw new SpecException([new SpecViolation(path, $"column {_cells.Count}: a quote is opened and never closed", (int)Line)]);
            if (next == '"')
            {
                if (Peek() != '"') return;
                Read();
            }
            else if (next == '\n') _line++;
            Append((char)next);
        }
    }

    private void EndLine(int end)
    {
        if (end == '\r' && Peek() == '\n') Read();
        _line++;
    }

    private void Append(char value)
    {
        if (_length == RowLengthMax)
        {
            throw new SpecException([new SpecViolation(path,
                $"a row has more than {RowLengthMax} characters; is it a table, and is a quote opened and not closed?", (int)Line)]);
        }
        if (_length == _text.Length) Array.Resize(ref _text, 2 * _text.Length);
        _text[_length++] = value;
    }

    private int Read()
    {
        int next = Peek();
        if (next != -1) _blockAt++;
        return next;
    }

    private int Peek()
    {
        if (_blockAt == _blockLength)
        {
            _blockLength = reader.ReadBlock(_block, 0, _block.Length);
            _blockAt = 0;
            if (_blockLength == 0) return -1;
        }
        return _block[_blockAt];
    }
}
