using System.ComponentModel;
using System.Reflection;
using System.Text.Json;
using DistOpt.Core.Datasets;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Tests.Datasets;

public class DatasetCatalogTests
{
    public static TheoryData<string> Names => [.. DatasetCatalog.Create().Entries.Select(e => e.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Options_have_defaults_and_every_field_says_what_it_is(string name)
    {
        Assert.True(DatasetCatalog.Create().TryGet(name, out var entry));
        Assert.NotEmpty(entry.Summary);
        object defaults = Activator.CreateInstance(entry.OptionsType)!;
        Assert.Equal(JsonSerializer.Serialize(defaults), JsonSerializer.Serialize(Activator.CreateInstance(entry.OptionsType)));
        foreach (var property in entry.OptionsType.GetProperties())
            Assert.NotEmpty(property.GetCustomAttribute<DescriptionAttribute>()?.Description ?? "");
        // these names are taken by the common fields of data:
        string[] common = [.. typeof(DataSpec).GetProperties().Select(p => p.Name)];
        Assert.Empty(entry.OptionsType.GetProperties().Select(p => p.Name).Intersect(common));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void What_cannot_be_opened_is_bad_input_with_a_message(string name)
    {
        using var folder = new TemporaryFolder();
        var open = DatasetCatalog.Create().Get(name);
        object options = Activator.CreateInstance(DatasetCatalog.Create().Entries.Single(e => e.Name == name).OptionsType)!;
        if (name == "digits") Assert.Equal(1797, open(options, folder.Environment).Count);
        else Assert.NotEmpty(Assert.Throws<SpecException>(() => open(options, folder.Environment)).Violations);
    }

    [Fact]
    public void An_unknown_name_lists_what_exists()
    {
        var error = Assert.Throws<SpecException>(() => DatasetCatalog.Create().Get("cifar"));
        Assert.Equal("data set: data set 'cifar' is not known. Available: digits, mnist, csv, images", error.Message);
    }

    [Fact]
    public void The_list_says_what_is_there()
    {
        using var folder = new TemporaryFolder();
        var catalog = DatasetCatalog.Create();
        var before = DatasetStatus.List(catalog, folder.Environment);
        Assert.Equal([DatasetPresence.BuiltIn, DatasetPresence.Absent, DatasetPresence.OwnFiles, DatasetPresence.OwnFiles],
            before.Select(s => s.Presence));
        Assert.Equal(54_950_048, before[1].Bytes);
        Assert.Equal(folder["mnist"], before[1].Folder);
        Assert.Equal("CC BY-SA 3.0", before[1].Licence);

        foreach (var file in DownloadableDataset.Mnist.Files) folder.Write($"mnist/{file.Name}.gz", [1, 2, 3]);
        Assert.Equal((DatasetPresence.Present, 12),
            (DatasetStatus.List(catalog, folder.Environment)[1].Presence, DatasetStatus.List(catalog, folder.Environment)[1].Bytes));
        // a plain file of another size is not the data set
        folder.Write("mnist/train-labels-idx1-ubyte", [1]);
        Assert.Equal(DatasetPresence.Absent, DatasetStatus.List(catalog, folder.Environment)[1].Presence);
    }
}
