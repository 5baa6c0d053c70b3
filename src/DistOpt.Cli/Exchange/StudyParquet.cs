using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Exchange;
using Parquet;
using Parquet.Schema;

namespace DistOpt;

/// <summary>A <see cref="StudyTable"/> as Parquet: one row group, columns of int64, double, boolean, text and UTC timestamps, all of which may be null.
/// </summary>
internal static class StudyParquet
{
    public static async Task WriteAsync(Stream stream, ExchangedStudy study)
    {
        var columns = StudyTable.Of(study);
        DataField[] fields = [.. columns.Select(Field)];
        await using var writer = await ParquetWriter.CreateAsync(new ParquetSchema(fields), stream).ConfigureAwait(false);
        using var group = writer.CreateRowGroup();
        for (int i = 0; i < fields.Length; i++)
        {
            var cells = columns[i].Cells;
            await (columns[i].Kind switch
            {
                StudyColumnKind.Whole => group.WriteAsync<long>(fields[i], cells.Select(c => (long?)c).ToArray().AsMemory()),
                StudyColumnKind.Real => group.WriteAsync<double>(fields[i], cells.Select(c => (double?)c).ToArray().AsMemory()),
                StudyColumnKind.Truth => group.WriteAsync<bool>(fields[i], cells.Select(c => (bool?)c).ToArray().AsMemory()),
                StudyColumnKind.Time => group.WriteAsync<DateTime>(fields[i], cells.Select(c => (DateTime?)c).ToArray().AsMemory()),
                _ => group.WriteAsync(fields[i], (IReadOnlyCollection<string?>)[.. cells.Select(c => (string?)c)]),
            }).ConfigureAwait(false);
        }
    }

    /// <summary>The study of a file.</summary>
    /// <exception cref="SpecException">It is none.</exception>
    public static async Task<ExchangedStudy> ReadAsync(string path)
    {
        var rows = new List<object?[]>();
        DataField[] fields;
        try
        {
            await using var reader = await ParquetReader.CreateAsync(path).ConfigureAwait(false);
            fields = reader.Schema.GetDataFields();
            for (int g = 0; g < reader.RowGroupCount; g++)
            {
                using var group = reader.OpenRowGroupReader(g);
                int first = rows.Count;
                for (long r = 0; r < group.RowCount; r++) rows.Add(new object?[fields.Length]);
                for (int i = 0; i < fields.Length; i++)
                {
                    object?[] cells = await CellsAsync(group, fields[i]).ConfigureAwait(false);
                    for (int r = 0; r < cells.Length; r++) rows[first + r][i] = cells[r];
                }
            }
        }
        catch (Exception e) when (e is IOException or ParquetException or InvalidDataException or FormatException or InvalidOperationException
            or NotSupportedException)
        {
            throw new SpecException(path, $"cannot be read as Parquet: {e.Message}");
        }
        return StudyTable.Read(path, [.. fields.Select(f => f.Name)], rows);
    }

    private static DataField Field(StudyColumn column) => column.Kind switch
    {
        StudyColumnKind.Whole => new DataField<long>(column.Name, true),
        StudyColumnKind.Real => new DataField<double>(column.Name, true),
        StudyColumnKind.Truth => new DataField<bool>(column.Name, true),
        StudyColumnKind.Time => new DateTimeDataField(column.Name, DateTimeFormat.Timestamp, isAdjustedToUTC: true, unit: DateTimeTimeUnit.Micros,
            isNullable: true),
        _ => new DataField<string>(column.Name, true),
    };

    private static async Task<object?[]> CellsAsync(ParquetRowGroupReader group, DataField field)
    {
        if (field.ClrType == typeof(string) || field.ClrType == typeof(ReadOnlyMemory<char>))
        {
            string?[] texts = new string?[group.RowCount];
            await group.ReadAsync(field, texts.AsMemory()!).ConfigureAwait(false);
            return texts;
        }
        return Type.GetTypeCode(field.ClrType) switch
        {
            TypeCode.Int64 => await NumbersAsync<long>(group, field).ConfigureAwait(false),
            TypeCode.Int32 => await NumbersAsync<int>(group, field).ConfigureAwait(false),
            TypeCode.Double => await NumbersAsync<double>(group, field).ConfigureAwait(false),
            TypeCode.Single => await NumbersAsync<float>(group, field).ConfigureAwait(false),
            TypeCode.Boolean => await NumbersAsync<bool>(group, field).ConfigureAwait(false),
            // times are not asked for
            TypeCode.DateTime => new object?[group.RowCount],
            _ => throw new NotSupportedException($"column {field.Name} is of type {field.ClrType.Name}, which is not known"),
        };
    }

    private static async Task<object?[]> NumbersAsync<T>(ParquetRowGroupReader group, DataField field) where T : struct
    {
        if (field.IsNullable)
        {
            var cells = new T?[group.RowCount];
            await group.ReadAsync(field, cells.AsMemory()).ConfigureAwait(false);
            return [.. cells.Select(c => (object?)c)];
        }
        var values = new T[group.RowCount];
        await group.ReadAsync(field, values.AsMemory()).ConfigureAwait(false);
        return [.. values.Select(c => (object?)c)];
    }
}
